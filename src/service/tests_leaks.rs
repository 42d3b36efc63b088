//! What is another's is looked for exactly as what is not there: the same rows are asked for, as often. How long an
//! answer takes follows from what is read, and unlike that it can be counted.

use std::cell::Cell;

use domain::RegionId;
use domain::image::{IMAGES, SNAPSHOTS, scope};
use event::{Actor, Rows};
use tempfile::TempDir;

use crate::lookup::{self, account};
use crate::request_things::ThingAt;
use crate::tests::{ask, disk, finished, import, open};
use crate::{ImageAt, ImageImport, Request, Started, local_actor, lookup_family, lookup_things};

/// Rows that count how often they are asked, and how many bytes they answer.
struct Counted<'a> {
    rows: &'a dyn Rows,
    reads: Cell<u32>,
    found: Cell<u32>,
}

impl Rows for Counted<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        let value = self.rows.get(key);
        self.found.set(self.found.get() + u32::from(value.is_some()));
        value
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) {
        self.reads.set(self.reads.get() + 1);
        self.rows.scan(prefix, &mut |key, value| {
            self.found.set(self.found.get() + 1);
            visit(key, value)
        });
    }
}

/// What a look costs, and whether it finds anything.
fn cost(rows: &dyn Rows, look: impl Fn(&dyn Rows) -> bool) -> (u32, u32, bool) {
    let counted = Counted { rows, reads: Cell::new(0), found: Cell::new(0) };
    let is_found = look(&counted);
    (counted.reads.get(), counted.found.get(), is_found)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_costs_as_many_reads_as_what_is_not_there() {
    let place = TempDir::new().unwrap();
    let service = open(&place).await;
    let owner = local_actor();
    let mut images = Vec::new();
    for name in ["web-1", "web-2", "web-3"] {
        let Request::ImageImport(wanted) = import(&disk(&place), name) else { unreachable!() };
        let wanted = Request::ImageImport(ImageImport { family: Some("web".to_owned()), ..wanted });
        let started: Started = ask(&service, &owner, name, wanted).await.unwrap();
        images.push(finished(&service, &owner, &started).await.output);
    }
    let rows = service.engine.snapshot().unwrap();
    let here = RegionId::from("cn-hangzhou");
    let image = IMAGES.get(&rows, &scope(&account(&owner), &here), &[&images[1]]).unwrap();
    let snapshot = SNAPSHOTS.list(&rows, &scope(&account(&owner), &here), &[]).remove(0);
    let stranger = Actor { account: "200000".to_owned(), key: String::new() };
    let at = |id: &str, region: Option<&RegionId>| ImageAt { image: id.to_owned(), region: region.cloned() };
    let check = |what: &str, there: &str, absent: &str, look: &dyn Fn(&dyn Rows, &str) -> bool| {
        let (one, other) = (cost(&rows, |rows| look(rows, there)), cost(&rows, |rows| look(rows, absent)));
        assert!(!one.2 && !other.2, "{what} is seen");
        assert_eq!(one.0, other.0, "{what}: rows that are asked for");
        // That an id is taken is one small row, which says where; what it is of is not read.
        assert!(one.1 <= other.1 + 1, "{what}: {} rows are found where {} are", one.1, other.1);
    };
    let absent = "m-00000000000000000000";
    for region in [None, Some(&here)] {
        check("an image to change", &images[1], absent, &|rows, id| {
            lookup::image(rows, &stranger, &at(id, region)).is_ok()
        });
        check("an image to see", &images[1], absent, &|rows, id| {
            lookup::visible_image(rows, &stranger, &at(id, region), 0).is_ok()
        });
        check("a snapshot", snapshot.id.as_str(), "s-00000000000000000000", &|rows, id| {
            let at = ThingAt { thing: id.to_owned(), region: region.cloned() };
            lookup_things::snapshot(rows, &stranger, &at).is_ok()
        });
        check("a resource", &images[1], absent, &|rows, id| {
            lookup_things::resource(rows, &stranger, id, region).is_ok()
        });
    }
    check("a family", "web", "none", &|rows, family| {
        let seen = lookup_family::seen(rows, &account(&stranger), &image.account, &here, family, 0);
        seen.head.is_some() || !seen.members.is_empty()
    });
    check("an image by a family", "acs:100000:web", "acs:100000:none", &|rows, family| {
        lookup::visible_image(rows, &stranger, &at(family, None), 0).is_ok()
    });
}
