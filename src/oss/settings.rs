//! What else a bucket or an object has in the cloud, and here has not: each is answered as the cloud
//! answers for a bucket on which nobody has set it, and setting it is refused.

use domain::port_objects::Headers;
use http::{Method, StatusCode};
use serde::Deserialize;

use crate::buckets::owner;
use crate::error::Refused;
use crate::headers::{TAGGING, check_tags};
use crate::turn::{Answer, Turn, document, empty};
use crate::xml;
use crate::{escape, is_reading};

/// What there is when nobody has set it.
enum Unset {
    /// A document.
    Document(&'static str),
    /// An error: code and message.
    Missing(&'static str, &'static str),
}

/// A setting: the parameter that names it, and what there is.
pub(crate) struct Setting(&'static str, Unset);

const SETTINGS: &[Setting] = &[
    Setting("acl", Unset::Document("")),
    Setting("versioning", Unset::Document("<VersioningConfiguration></VersioningConfiguration>")),
    Setting("logging", Unset::Document("<BucketLoggingStatus></BucketLoggingStatus>")),
    Setting(
        "referer",
        Unset::Document(
            "<RefererConfiguration><AllowEmptyReferer>true</AllowEmptyReferer>\
            <AllowTruncateQueryString>true</AllowTruncateQueryString><RefererList></RefererList>\
            </RefererConfiguration>",
        ),
    ),
    Setting("tagging", Unset::Document("<Tagging><TagSet></TagSet></Tagging>")),
    Setting(
        "requestPayment",
        Unset::Document(
            "<RequestPaymentConfiguration><Payer>BucketOwner</Payer>\
            </RequestPaymentConfiguration>",
        ),
    ),
    Setting("policyStatus", Unset::Document("<PolicyStatus><IsPublic>false</IsPublic></PolicyStatus>")),
    Setting(
        "publicAccessBlock",
        Unset::Document(
            "<PublicAccessBlockConfiguration><BlockPublicAccess>true</BlockPublicAccess>\
            </PublicAccessBlockConfiguration>",
        ),
    ),
    Setting(
        "accessmonitor",
        Unset::Document("<AccessMonitorConfiguration><Status>Disabled</Status></AccessMonitorConfiguration>"),
    ),
    Setting(
        "bucketArchiveDirectRead",
        Unset::Document(
            "<ArchiveDirectReadConfiguration><Enabled>false</Enabled>\
            </ArchiveDirectReadConfiguration>",
        ),
    ),
    Setting(
        "httpsConfig",
        Unset::Document("<HttpsConfiguration><TLS><Enable>false</Enable></TLS></HttpsConfiguration>"),
    ),
    Setting(
        "resourceGroup",
        Unset::Document(
            "<BucketResourceGroupConfiguration><ResourceGroupId></ResourceGroupId>\
            </BucketResourceGroupConfiguration>",
        ),
    ),
    Setting("lifecycle", Unset::Missing("NoSuchLifecycle", "No Row found in Lifecycle Table.")),
    Setting(
        "website",
        Unset::Missing(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration.",
        ),
    ),
    Setting("cors", Unset::Missing("NoSuchCORSConfiguration", "The CORS Configuration does not exist.")),
    Setting("policy", Unset::Missing("NoSuchBucketPolicy", "The bucket policy does not exist.")),
    Setting(
        "encryption",
        Unset::Missing(
            "NoSuchServerSideEncryptionRule",
            "The server side encryption configuration of the bucket does not exist.",
        ),
    ),
    Setting(
        "replication",
        Unset::Missing(
            "NoSuchReplicationConfiguration",
            "The bucket replication configuration does not exist.",
        ),
    ),
    Setting(
        "transferAcceleration",
        Unset::Missing(
            "NoSuchTransferAccelerationConfiguration",
            "The bucket has no transfer acceleration configuration.",
        ),
    ),
    Setting("worm", Unset::Missing("NoSuchWORMConfiguration", "The WORM Configuration does not exist.")),
    Setting(
        "inventory",
        Unset::Missing("NoSuchInventory", "The bucket inventory configuration does not exist."),
    ),
    Setting("style", Unset::Missing("NoSuchBucketStyle", "The bucket style does not exist.")),
    Setting("cname", Unset::Missing("NoSuchCname", "The bucket has no cname.")),
    Setting("qosInfo", Unset::Missing("NoSuchBucketQoSInfo", "The bucket has no QoS configuration.")),
    Setting("metaQuery", Unset::Missing("MetaQueryNotExist", "The bucket has no meta query.")),
];

impl Setting {
    /// The parameter that names it.
    pub(crate) fn name(&self) -> &'static str {
        self.0
    }
}

/// The access that may be asked for: what there is anyway.
const PRIVATE: [&str; 2] = ["private", "default"];

/// Tags that come as a document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    tag_set: TagSet,
}

#[derive(Debug, Deserialize)]
struct TagSet {
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl Turn<'_> {
    /// The setting of a bucket that is asked for, if one is.
    pub(crate) fn setting(&self) -> Option<&'static Setting> {
        SETTINGS.iter().find(|Setting(name, _)| self.asked.has(name))
    }

    pub(crate) fn set(&self, Setting(name, unset): &Setting) -> Answer {
        self.own()?;
        match (&self.asked.method, unset) {
            (&Method::DELETE, _) => Ok(empty(StatusCode::NO_CONTENT)),
            (&Method::PUT, _) if *name == "acl" => {
                self.check_acl("x-oss-acl")?;
                Ok(empty(StatusCode::OK))
            }
            (method, Unset::Document("")) if is_reading(method) => Ok(self.acl("private")),
            (method, Unset::Document(xml)) if is_reading(method) => {
                Ok(document(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}")))
            }
            (method, Unset::Missing(code, why)) if is_reading(method) => {
                Err(Refused::new(404, code, *why).with("BucketName", self.bucket_name()))
            }
            _ => Err(Refused::not_implemented(name)),
        }
    }

    fn acl(&self, grant: &str) -> http::Response<crate::Body> {
        document(xml::document("AccessControlPolicy", |policy| {
            owner(policy, &self.actor);
            policy.within("AccessControlList", |list| _ = list.text("Grant", grant));
        }))
    }

    /// Fails if anybody but the account is to have access.
    pub(crate) fn check_acl(&self, header: &str) -> Result<(), Refused> {
        match self.asked.header(header) {
            Some(acl) if !PRIVATE.contains(&acl) => {
                let why = "Put public acl is not allowed: buckets and objects are private.";
                Err(Refused::new(403, "AccessDenied", why).with("Acl", acl))
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn object_acl(&mut self) -> Answer {
        let at = self.at()?;
        let found = self.oss.objects.facts(&at).await?;
        found.ok_or_else(|| Refused::no_key(&at.path))?;
        match self.asked.method {
            Method::GET => Ok(self.acl("default")),
            Method::PUT => {
                self.check_acl("x-oss-object-acl")?;
                Ok(empty(StatusCode::OK))
            }
            _ => Err(Refused::not_implemented("acl")),
        }
    }

    /// Tags of an object are kept with its headers, as they come in one.
    pub(crate) async fn object_tagging(&mut self) -> Answer {
        let at = self.at()?;
        let found = self.oss.objects.facts(&at).await?.ok_or_else(|| Refused::no_key(&at.path))?;
        let mut headers = found.headers;
        match self.asked.method {
            Method::GET => return Ok(document(tags_document(&headers))),
            Method::PUT => {
                let tagging: Tagging = xml::read(&self.document_bytes().await?)?;
                let pairs = tagging.tag_set.tags.iter().map(|tag| {
                    format!("{}={}", escape::percent(&tag.key, false), escape::percent(&tag.value, false))
                });
                let tags = pairs.collect::<Vec<_>>().join("&");
                check_tags(&tags)?;
                headers.insert(TAGGING.to_owned(), tags);
            }
            Method::DELETE => _ = headers.remove(TAGGING),
            _ => return Err(Refused::not_implemented("tagging")),
        }
        self.oss.objects.describe(&at, headers).await?.ok_or_else(|| Refused::no_key(&at.path))?;
        let is_put = self.asked.method == Method::PUT;
        Ok(empty(if is_put { StatusCode::OK } else { StatusCode::NO_CONTENT }))
    }
}

fn tags_document(headers: &Headers) -> String {
    let tags = headers.get(TAGGING).map_or("", String::as_str);
    xml::document("Tagging", |tagging| {
        tagging.within("TagSet", |set| {
            for pair in tags.split('&').filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                let plain = |text: &str| escape::unpercent(text).unwrap_or_else(|| text.to_owned());
                set.within("Tag", |tag| _ = tag.text("Key", plain(key)).text("Value", plain(value)));
            }
        });
    })
}
