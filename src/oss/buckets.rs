//! Buckets: told, made, removed.

use domain::RegionId;
use domain::image::Bucket;
use domain::port_objects::ListAsked;
use event::Actor;
use http::StatusCode;
use serde::Deserialize;
use service::{BucketRequest, Call, Manner, PROTOCOL, Request, Started, Trouble, dispatch};

use crate::asked::endpoint;
use crate::error::Refused;
use crate::time;
use crate::turn::{Answer, Turn, document, empty};
use crate::xml::{self, Document};

/// Buckets told at once, as the API documents.
const LISTED_MAX: usize = 1000;
/// Buckets told at once if no number is given.
const LISTED_USUAL: usize = 100;
/// The only class of storage there is.
pub(crate) const STORAGE_CLASS: &str = "Standard";
/// What the wire calls a region: this, and its id.
const LOCATION_PREFIX: &str = "oss-";

/// What may come with a request for a new bucket.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Configuration {
    storage_class: Option<String>,
    location_constraint: Option<String>,
}

pub(crate) fn location_of(region: &RegionId) -> String {
    format!("{LOCATION_PREFIX}{region}")
}

/// Who owns things here.
pub(crate) fn owner(xml: &mut Document, actor: &Actor) {
    xml.within("Owner", |owner| {
        owner.text("ID", &actor.account).text("DisplayName", &actor.account);
    });
}

impl Turn<'_> {
    fn endpoint(&self) -> &str {
        endpoint(&self.asked.host, self.bucket_name())
    }

    fn describe_bucket(&self, xml: &mut Document, bucket: &Bucket) {
        xml.text("CreationDate", time::iso(bucket.created_ms));
        xml.text("ExtranetEndpoint", self.endpoint()).text("IntranetEndpoint", self.endpoint());
        xml.text("Location", location_of(&bucket.region)).text("Name", &bucket.name);
        xml.text("Region", &bucket.region).text("StorageClass", STORAGE_CLASS);
    }

    pub(crate) fn list_regions(&self) -> Answer {
        let regions = self.oss.service.region_ids()?;
        Ok(document(xml::document("RegionInfoList", |list| {
            for region in regions {
                list.within("RegionInfo", |info| {
                    info.text("Region", location_of(&region)).text("InternetEndpoint", self.endpoint());
                    info.text("InternalEndpoint", self.endpoint())
                        .text("AccelerateEndpoint", self.endpoint());
                });
            }
        })))
    }

    pub(crate) fn list_buckets(&self) -> Answer {
        let prefix = self.asked.parameter("prefix").unwrap_or_default();
        let marker = self.asked.parameter("marker").unwrap_or_default();
        let count: usize = self.asked.number("max-keys", LISTED_USUAL)?;
        if !(1..=LISTED_MAX).contains(&count) {
            return Err(Refused::argument("max-keys", &count.to_string()));
        }
        let mut buckets = self.oss.service.own_buckets(&self.actor)?;
        buckets.retain(|bucket| bucket.name.starts_with(prefix) && bucket.name.as_str() > marker);
        let more = buckets.len() > count;
        buckets.truncate(count);
        let next = buckets.last().filter(|_| more).map(|last| last.name.clone());
        Ok(document(xml::document("ListAllMyBucketsResult", |list| {
            owner(list, &self.actor);
            list.text("Prefix", prefix).text("Marker", marker).text("MaxKeys", count);
            list.text("IsTruncated", more);
            if let Some(next) = &next {
                list.text("NextMarker", next);
            }
            list.within("Buckets", |list| {
                for bucket in &buckets {
                    list.within("Bucket", |xml| self.describe_bucket(xml, bucket));
                }
            });
        })))
    }

    pub(crate) fn bucket_info(&self) -> Answer {
        let own = self.own()?;
        Ok(document(xml::document("BucketInfo", |info| {
            info.within("Bucket", |xml| {
                self.describe_bucket(xml, &own.row);
                owner(xml, &self.actor);
                xml.within("AccessControlList", |list| _ = list.text("Grant", "private"));
                xml.text("DataRedundancyType", "LRS").text("AccessMonitor", "Disabled");
                xml.text("TransferAcceleration", "Disabled").text("CrossRegionReplication", "Disabled");
                xml.text("BlockPublicAccess", true).text("Comment", "");
                xml.within("ServerSideEncryptionRule", |rule| _ = rule.text("SSEAlgorithm", "None"));
                xml.within("BucketPolicy", |policy| {
                    policy.text("LogBucket", "").text("LogPrefix", "");
                });
            });
        })))
    }

    pub(crate) fn bucket_location(&self) -> Answer {
        let mut xml = Document::new();
        xml.text("LocationConstraint", location_of(&self.own()?.row.region));
        Ok(document(xml.into_string()))
    }

    pub(crate) fn head_bucket(&self) -> Answer {
        let own = self.own()?;
        let mut response = empty(StatusCode::OK);
        if let Ok(region) = http::HeaderValue::from_str(own.row.region.as_str()) {
            response.headers_mut().insert("x-oss-bucket-region", region);
        }
        Ok(response)
    }

    /// Counts what is there: as long as a list of all of it takes.
    pub(crate) async fn bucket_stat(&self) -> Answer {
        let at = self.own()?.at;
        let mut asked = ListAsked { count: LISTED_MAX, ..ListAsked::default() };
        let (mut objects, mut bytes, mut modified_ms) = (0, 0_u64, 0);
        loop {
            let page = self.oss.objects.list(&at, &asked).await?;
            objects += page.items.len();
            bytes += page.items.iter().map(|object| object.bytes).sum::<u64>();
            modified_ms = page.items.iter().map(|object| object.modified_ms).fold(modified_ms, i64::max);
            match page.items.last().filter(|_| page.more) {
                Some(last) => asked.after.clone_from(&last.key),
                None => break,
            }
        }
        let first = ListAsked { count: LISTED_MAX, ..ListAsked::default() };
        let uploads = self.oss.objects.uploads(&at, &first).await?.items.len();
        Ok(document(xml::document("BucketStat", |stat| {
            stat.text("Storage", bytes).text("ObjectCount", objects).text("MultipartUploadCount", uploads);
            stat.text("LiveChannelCount", 0).text("LastModifiedTime", modified_ms.div_euclid(1000));
            stat.text("StandardStorage", bytes).text("StandardObjectCount", objects);
        })))
    }

    pub(crate) async fn create_bucket(&mut self) -> Answer {
        self.check_acl("x-oss-acl")?;
        let bytes = self.document_bytes().await?;
        let configuration: Configuration =
            if bytes.trim_ascii().is_empty() { Configuration::default() } else { xml::read(&bytes)? };
        if let Some(class) = configuration.storage_class.filter(|class| class != STORAGE_CLASS) {
            return Err(Refused::not_implemented(&format!("the storage class {class}")));
        }
        let name = self.bucket_name().to_owned();
        let region = self.wanted_region(configuration.location_constraint.as_deref())?;
        // Making one's own bucket again changes nothing and is fine, as in the cloud.
        if self.oss.service.own_bucket(&self.actor, &name).is_ok() {
            return Ok(empty(StatusCode::OK));
        }
        let made = self.ask(BucketRequest::Create { bucket: name.clone(), region }).await;
        match made {
            Err(trouble) if trouble.code == "BucketAlreadyOwnedByYou" => {}
            made => made.map_err(|trouble| match Refused::from(trouble) {
                refused if refused.code == "BucketAlreadyExists" => {
                    let why = "The requested bucket name is not available. The bucket namespace is shared by all \
                               users of the system. Please select a different name and try again.";
                    Refused::new(409, "BucketAlreadyExists", why).with("BucketName", &name)
                }
                refused => refused,
            })?,
        }
        let mut response = empty(StatusCode::OK);
        if let Ok(location) = http::HeaderValue::from_str(&format!("/{name}")) {
            response.headers_mut().insert("location", location);
        }
        Ok(response)
    }

    pub(crate) async fn delete_bucket(&mut self) -> Answer {
        let bucket = self.own()?.at.name;
        self.ask(BucketRequest::Delete { bucket: bucket.clone() }).await.map_err(|trouble| {
            match Refused::from(trouble) {
                refused if refused.code == "BucketNotEmpty" => {
                    let why = "The bucket you tried to delete is not empty.";
                    Refused::new(409, "BucketNotEmpty", why).with("BucketName", bucket)
                }
                refused => refused,
            }
        })?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// Asks for an operation and waits for its end.
    async fn ask(&self, request: BucketRequest) -> Result<(), Trouble> {
        let call = Call {
            protocol: PROTOCOL,
            drive: true,
            actor: self.actor.clone(),
            id: format!("oss-{}", self.request_id),
            manner: Manner::default(),
            request: Request::Bucket(request),
        };
        let started = Started::try_from(dispatch(&self.oss.service, call).await?)?;
        self.oss.service.ended(started.workflow_id).await
    }

    /// Where a new bucket is to be: what its maker says in so many words, or the region that the
    /// signature or the host names, if there is such a region.
    fn wanted_region(&self, constraint: Option<&str>) -> Result<Option<RegionId>, Refused> {
        let regions = self.oss.service.region_ids()?;
        let known = |name: &str| {
            let id = name.strip_prefix(LOCATION_PREFIX).unwrap_or(name);
            regions.iter().find(|region| region.as_str() == id).cloned()
        };
        if let Some(constraint) = constraint.filter(|constraint| !constraint.is_empty()) {
            let why = "The specified location-constraint is not valid.";
            return known(constraint)
                .map(Some)
                .ok_or_else(|| Refused::new(400, "InvalidLocationConstraint", why));
        }
        let labels = self.asked.host.split(['.', ':']).filter(|label| label.starts_with(LOCATION_PREFIX));
        let named = labels.map(|label| label.strip_suffix("-internal").unwrap_or(label));
        Ok(self.region.into_iter().chain(named).find_map(known))
    }
}
