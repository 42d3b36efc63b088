//! Requests of the bucket wire for the kill test: objects, parts, and uploads that are completed.

use crate::chance::Chance;
use crate::client::Client;

/// Bytes of an object or a part at most: several reads of a socket, so that a kill falls within one.
const BYTES_MAX: u64 = 400 << 10;

/// A request about an object.
#[derive(Clone, Debug)]
pub enum Put {
    /// A whole object, which may stand in the place of another.
    Whole { resource: String, before: Option<Vec<u8>>, bytes: Vec<u8> },
    /// A part of an upload that has begun.
    Part { resource: String, upload: String, number: u32, bytes: Vec<u8> },
    /// The end of an upload whose parts are all there.
    Complete { resource: String, upload: String, etags: Vec<String>, bytes: Vec<u8> },
}

impl Put {
    pub fn whole(bucket: &str, key: &str, before: Option<Vec<u8>>, chance: &mut Chance) -> Self {
        Self::Whole { resource: format!("/{bucket}/{key}"), before, bytes: noise(chance) }
    }

    /// A part of an upload, which is begun here.
    pub fn part(client: &Client, bucket: &str, key: &str, chance: &mut Chance) -> Self {
        let resource = format!("/{bucket}/{key}");
        let upload = begin(client, &resource);
        Self::Part { resource, upload, number: 1, bytes: noise(chance) }
    }

    /// The completion of an upload, which is begun here and sent all of its parts.
    pub fn complete(client: &Client, bucket: &str, key: &str, chance: &mut Chance) -> Self {
        let resource = format!("/{bucket}/{key}");
        let upload = begin(client, &resource);
        let (mut etags, mut bytes) = (Vec::new(), Vec::new());
        for number in 1..=2_u32 {
            // A part that is not the last has 100 KiB at least.
            let part = [noise(chance), vec![7; 100 << 10]].concat();
            let to = format!("{resource}?partNumber={number}&uploadId={upload}");
            let answer = client.object("PUT", &to, &part).unwrap();
            assert_eq!(answer.status, 200, "{answer}");
            etags.push(answer.header("etag").unwrap().to_owned());
            bytes.extend(part);
        }
        Self::Complete { resource, upload, etags, bytes }
    }

    /// The request, signed now.
    pub fn signed(&self, client: &Client) -> Vec<u8> {
        match self {
            Self::Whole { resource, bytes, .. } => client.about("PUT", resource, bytes),
            Self::Part { resource, upload, number, bytes } => {
                client.about("PUT", &format!("{resource}?partNumber={number}&uploadId={upload}"), bytes)
            }
            Self::Complete { resource, upload, etags, .. } => {
                let part = |(index, etag): (usize, &String)| {
                    format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1)
                };
                let parts: String = etags.iter().enumerate().map(part).collect();
                let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
                client.about("POST", &format!("{resource}?uploadId={upload}"), document.as_bytes())
            }
        }
    }

    /// Looks whether it has happened, whole; what is neither whole nor absent fails the test.
    pub fn happened(&self, client: &Client) -> bool {
        match self {
            Self::Whole { resource, before, bytes } => check_object(client, resource, before.as_ref(), bytes),
            Self::Complete { resource, bytes, .. } => check_object(client, resource, None, bytes),
            Self::Part { resource, upload, bytes, .. } => {
                let listed = client.object("GET", &format!("{resource}?uploadId={upload}"), &[]).unwrap();
                assert_eq!(listed.status, 200, "an upload that has begun is there: {listed}");
                let size = listed.element("Size");
                assert!(size.is_none() || size == Some(bytes.len().to_string()), "{listed}");
                size.is_some()
            }
        }
    }

    /// Asked again after it was done, an upload that was completed is not there any more, as the API has it.
    pub fn is_done_before(&self, answer: &crate::client::Answer) -> bool {
        matches!(self, Self::Complete { .. }) && answer.element("Code").as_deref() == Some("NoSuchUpload")
    }

    /// Ends an upload of one part, so that its bytes can be looked at.
    pub fn see_through(&self, client: &Client) {
        let Self::Part { resource, upload, bytes, .. } = self else { return };
        let listed = client.object("GET", &format!("{resource}?uploadId={upload}"), &[]).unwrap();
        let etags = vec![listed.element("ETag").expect("its part is there")];
        let (resource, upload, bytes) = (resource.clone(), upload.clone(), bytes.clone());
        let complete = Self::Complete { resource, upload, etags, bytes };
        let answer = client.send(&complete.signed(client)).unwrap();
        assert_eq!(answer.status, 200, "{answer}");
        assert!(complete.happened(client), "what was completed is there");
    }
}

/// Whether an object has its new bytes; it may have those of before, or not be there, and nothing else.
fn check_object(client: &Client, resource: &str, before: Option<&Vec<u8>>, bytes: &[u8]) -> bool {
    let answer = client.object("GET", resource, &[]).unwrap();
    if answer.status == 404 {
        assert!(before.is_none(), "`{resource}` was there and is not any more: {answer}");
        return false;
    }
    assert_eq!(answer.status, 200, "{answer}");
    let is_new = answer.body == bytes;
    assert!(is_new || before == Some(&answer.body), "`{resource}` has bytes that nobody sent as a whole");
    is_new
}

fn begin(client: &Client, resource: &str) -> String {
    let begun = client.object("POST", &format!("{resource}?uploads"), &[]).unwrap();
    begun.element("UploadId").unwrap_or_else(|| panic!("no upload: {begun}"))
}

/// Bytes that no other object has.
pub fn noise(chance: &mut Chance) -> Vec<u8> {
    let words = (1 + chance.below(BYTES_MAX)) / 8 + 1;
    (0..words).flat_map(|_| chance.next().to_le_bytes()).collect()
}
