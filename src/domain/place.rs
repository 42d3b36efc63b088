//! Rows that hold their fields by place need all of them. Types of events leave out what is empty, for their
//! fields have names; where a row by place holds such a type, it is written as one of these.

/// The file a disk came from.
pub(crate) mod source {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::port::{BucketAt, Location};

    #[expect(clippy::ref_option, reason = "serde hands a field over so")]
    pub(crate) fn serialize<S: Serializer>(source: &Option<Location>, to: S) -> Result<S::Ok, S::Error> {
        source.as_ref().map(|Location { bucket, path }| (bucket, path)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Location>, D::Error> {
        let source = Option::<(Option<BucketAt>, String)>::deserialize(from)?;
        Ok(source.map(|(bucket, path)| Location { bucket, path }))
    }
}

/// What an image check found.
pub(crate) mod items {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::port::{CheckItem, Risk};

    pub(crate) fn serialize<S: Serializer>(items: &[CheckItem], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            items.iter().map(|CheckItem { name, value, risk, risk_code }| (name, value, risk, risk_code)),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<CheckItem>, D::Error> {
        let items = Vec::<(String, String, Option<Risk>, String)>::deserialize(from)?;
        let item = |(name, value, risk, risk_code)| CheckItem { name, value, risk, risk_code };
        Ok(items.into_iter().map(item).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::events::{DiskPlan, ImageChecked};
    use crate::image::Making;
    use crate::port::{BucketAt, CheckItem, Location, Risk};
    use crate::tests_kit::{World, image_of, plan, scope};

    #[test]
    fn an_image_keeps_what_events_leave_out_where_it_is_empty() {
        let bucket = BucketAt { region: "cn-a".into(), store: "st-1".into(), name: "uploads".to_owned() };
        let sources = [None, Some(Location::file("/web.raw")), Some(Location::object(bucket, "web.raw"))];
        let risks =
            [(None, ""), (None, "Fstab.Odd"), (Some(Risk::Medium), ""), (Some(Risk::High), "Fstab.Gone")];
        let item = |(risk, code): (Option<Risk>, &str)| CheckItem {
            name: "GUESTOS.Fstab".to_owned(),
            value: String::new(),
            risk,
            risk_code: code.to_owned(),
        };
        let items: Vec<_> = risks.into_iter().map(item).collect();
        let mut world = World::new();
        for source in sources {
            let disk = DiskPlan { source: source.clone(), ..plan(0, "s-1", true, 512) };
            world.tell(&scope(), image_of(&scope(), "m-1", vec![disk], Making::Import));
            world.tell(&scope(), ImageChecked { image: "m-1".into(), items: items.clone() });
            let image = world.image(&scope(), "m-1").unwrap();
            assert_eq!(image.system().source, source);
            assert_eq!(image.detection.unwrap().items, items);
        }
    }
}
