//! Objects as streams, on the simulated disk: what is told of them, and that the power may go at
//! every point. By the helper of `test_crash`.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::port::{Buckets, Location};
use domain::port_objects::{Ending, Headers, ListAsked, ObjectFacts, ObjectKind, Objects, Upload};
use event::Failure;

use crate::fault::Result;
use crate::test_bucket::{at, bucket, house_with_bucket, object_path};
use crate::test_crash::strike;
use crate::test_support::*;
use crate::upload::hex;

const KEY: &str = "new/dir/web.raw";

fn md5_of(bytes: &[u8]) -> String {
    use md5::Digest;
    hex(&md5::Md5::digest(bytes))
}

fn crc_of(bytes: &[u8]) -> u64 {
    let mut digest = crc64fast::Digest::new();
    digest.write(bytes);
    digest.sum64()
}

fn headers(value: &str) -> Headers {
    BTreeMap::from([("x-oss-meta-a".to_owned(), value.to_owned())])
}

pub(crate) fn ending(value: &str, replace: bool) -> Ending {
    Ending { headers: headers(value), replace, ..Ending::default() }
}

async fn pour(mut upload: Box<dyn Upload>, bytes: &[u8], ending: Ending) -> Result<ObjectFacts> {
    for piece in bytes.chunks(100_000) {
        upload.write(vec![Bytes::copy_from_slice(piece)]).await?;
    }
    upload.finish(ending).await
}

impl House {
    pub(crate) fn send(&self, key: &str, bytes: &[u8], ending: Ending) -> Result<ObjectFacts> {
        wait(async {
            let upload = self.plane.begin_put(&at(key), Some(bytes.len() as u64)).await?;
            pour(upload, bytes, ending).await
        })
    }

    pub(crate) fn append(&self, key: &str, position: u64, bytes: &[u8]) -> Result<ObjectFacts> {
        wait(async {
            let upload = self.plane.begin_append(&at(key), position).await?;
            pour(upload, bytes, ending("log", false)).await
        })
    }

    fn part(&self, upload: &str, number: u32, bytes: &[u8]) -> Result<ObjectFacts> {
        wait(async {
            let part = self.plane.begin_part(&at(KEY), upload, number, Some(bytes.len() as u64)).await?;
            pour(part, bytes, Ending::default()).await
        })
    }

    pub(crate) fn facts(&self, key: &str) -> Option<ObjectFacts> {
        wait(self.plane.facts(&at(key))).unwrap()
    }

    pub(crate) fn read(&self, key: &str) -> Vec<u8> {
        wait(async {
            let (facts, bytes) = self.plane.open(&at(key)).await.unwrap().unwrap();
            bytes.read(0, usize::try_from(facts.bytes).unwrap()).await.unwrap().to_vec()
        })
    }

    /// Fails unless what is told of the object is what its bytes are.
    fn look(&self, context: &str) -> Result<Option<ObjectFacts>> {
        wait(async {
            let Some((facts, bytes)) = self.plane.open(&at(KEY)).await? else { return Ok(None) };
            let bytes = bytes.read(0, usize::try_from(facts.bytes).unwrap()).await?;
            assert_eq!(facts.crc64, Some(crc_of(&bytes)), "{context}");
            if facts.kind == ObjectKind::Normal {
                assert_eq!(facts.etag, md5_of(&bytes), "{context}");
            }
            Ok(Some(facts))
        })
    }
}

#[test]
fn what_came_over_the_wire_is_told_and_what_did_not_has_a_tag_that_is_no_md5() {
    let house = house_with_bucket(1);
    let bytes = noise(1, 300_000);
    let sent = house.send(KEY, &bytes, ending("b", true)).unwrap();
    assert_eq!((sent.etag.as_str(), sent.crc64), (md5_of(&bytes).as_str(), Some(crc_of(&bytes))));
    let house = house.restarted();
    assert_eq!(house.facts(KEY), Some(sent.clone()));
    assert_eq!(sent.headers, headers("b"));
    assert_eq!(house.read(KEY), bytes);
    house.put_file("/in/file", &bytes);
    house.put(attempt(2, 1), "p-1", "/in/file", KEY, true).unwrap();
    let facts = house.facts(KEY).unwrap();
    assert!(facts.etag.ends_with("-1") && facts.crc64.is_none() && facts.headers.is_empty(), "{facts:?}");
    assert_eq!(house.keys("", 10), [KEY]);
    let described = wait(house.plane.describe(&at(KEY), headers("c"))).unwrap().unwrap();
    assert_eq!((&described.headers, &described.etag), (&headers("c"), &facts.etag));
    assert_eq!(house.restarted().facts(KEY), Some(described));
}

#[test]
fn an_upload_is_held_to_what_was_said_of_it_and_leaves_nothing_if_it_ends_early() {
    let house = house_with_bucket(1);
    drop(wait(house.plane.begin_put(&at(KEY), None)).unwrap());
    let clean = house.state();
    let wrong = Ending { md5: Some([0; 16]), ..Ending::default() };
    assert_eq!(code(house.send(KEY, b"abc", wrong)), "InvalidDigest");
    wait(async {
        let mut upload = house.plane.begin_put(&at(KEY), None).await.unwrap();
        upload.write(vec![Bytes::from_static(b"abc")]).await.unwrap();
        assert_eq!(
            house.plane.remove_bucket(&bucket()).await.map_err(|failure| failure_code(&failure)),
            Err("BucketNotEmpty".to_owned())
        );
    });
    assert_eq!(house.state(), clean);
    house.send(KEY, b"abc", ending("b", false)).unwrap();
    assert_eq!(code(house.send(KEY, b"other", ending("c", false))), "FileAlreadyExists");
    assert_eq!(house.read(KEY), b"abc");
    let elsewhere = Location::object(domain::port::BucketAt { name: "nowhere".into(), ..bucket() }, KEY);
    assert_eq!(code(wait(house.plane.facts(&elsewhere))), "InvalidOSSBucket.NotFound");
    assert_eq!(code(wait(house.plane.begin_put(&elsewhere, None)).map(drop)), "InvalidOSSBucket.NotFound");
}

fn failure_code(failure: &Failure) -> String {
    match failure {
        Failure::Caller(refusal) => refusal.code.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_upload_survives_a_power_cut_at_any_call() {
    let bytes = noise(1, 250_000);
    for replace in [false, true] {
        let house = house_with_bucket(3);
        if replace {
            house.send(KEY, b"the one before", ending("before", true)).unwrap();
        }
        let house = house.restarted();
        house.sim.settle();
        strike(
            &house,
            1,
            |house, incarnation| {
                house.look(&format!("incarnation {incarnation}"))?;
                house.send(KEY, &bytes, ending("b", true)).map(|facts| (facts.etag, facts.headers))
            },
            |house, context| {
                assert!(file_is(&house.sim, &object_path(KEY), &bytes), "{context}");
                house.look(context).unwrap();
                assert_eq!(house.keys("", 10), [KEY], "{context}");
                house.assert_clean(&Live::default(), context);
            },
        );
    }
}

#[test]
fn a_removed_object_leaves_nothing_wherever_the_power_goes() {
    let house = house_with_bucket(3);
    house.send(KEY, b"abc", ending("b", true)).unwrap();
    let house = house.restarted();
    house.sim.settle();
    strike(
        &house,
        1,
        |house, _| house.remove(KEY),
        |house, context| {
            assert_eq!(house.facts(KEY), None, "{context}");
            assert_eq!(house.keys("", 10), [""; 0], "{context}");
            house.assert_clean(&Live::default(), context);
        },
    );
}

#[test]
fn an_append_happens_whole_or_not_at_all_wherever_the_power_goes() {
    let (first, second) = (noise(1, 150_000), noise(2, 120_000));
    let both = [first.clone(), second.clone()].concat();
    let house = house_with_bucket(3);
    strike(
        &house,
        1,
        |house, incarnation| {
            let facts = house.look(&format!("incarnation {incarnation}"))?;
            let bytes = facts.as_ref().map_or(0, |facts| facts.bytes);
            match usize::try_from(bytes).unwrap() {
                0 => drop(house.append(KEY, 0, &first)?),
                bytes if bytes == both.len() => return Ok(facts.map(|facts| facts.etag)),
                bytes => assert_eq!(bytes, first.len()),
            }
            house.append(KEY, first.len() as u64, &second).map(|facts| Some(facts.etag))
        },
        |house, context| {
            assert!(file_is(&house.sim, &object_path(KEY), &both), "{context}");
            house.look(context).unwrap();
            assert_eq!(house.facts(KEY).unwrap().headers, headers("log"), "{context}");
            house.assert_clean(&Live::default(), context);
        },
    );
}

/// Uploads these parts, in the order given by their numbers, from wherever an earlier run came to.
fn in_parts(house: &House, parts: &[(u32, Vec<u8>)]) -> Result<String> {
    let asked = ListAsked { count: 10, ..ListAsked::default() };
    let uploads = wait(house.plane.uploads(&bucket(), &asked))?.items;
    let id = match (uploads.into_iter().next(), house.look("before")?) {
        (Some(there), _) => there.upload,
        (None, Some(facts)) => return Ok(facts.etag),
        (None, None) => wait(house.plane.initiate(&at(KEY), headers("parts")))?,
    };
    let (there, _) = wait(house.plane.parts(&at(KEY), &id, 0, 100))?;
    for (number, bytes) in parts {
        let known = there.iter().find(|part| part.number == *number);
        match known {
            Some(part) => assert_eq!(part.etag, md5_of(bytes)),
            None => drop(house.part(&id, *number, bytes)?),
        }
    }
    let mut wanted: Vec<(u32, String)> =
        parts.iter().map(|(number, bytes)| (*number, md5_of(bytes))).collect();
    wanted.sort_unstable();
    wait(house.plane.complete(&at(KEY), &id, Some(wanted), true)).map(|facts| facts.etag)
}

fn check_parts(parts: &[(u32, Vec<u8>)]) {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let whole: Vec<u8> = sorted.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let house = house_with_bucket(3);
    house.sim.settle();
    strike(
        &house,
        1,
        |house, incarnation| {
            house.look(&format!("incarnation {incarnation}"))?;
            in_parts(house, parts)
        },
        |house, context| {
            assert!(file_is(&house.sim, &object_path(KEY), &whole), "{context}");
            house.look(context).unwrap();
            assert_eq!(house.facts(KEY).unwrap().headers, headers("parts"), "{context}");
            house.assert_clean(&Live::default(), context);
        },
    );
}

#[test]
fn an_upload_in_parts_goes_on_wherever_the_power_went() {
    check_parts(&[(1, noise(1, 110_000)), (3, noise(3, 9)), (2, noise(2, 110_000))]);
}

#[test]
fn parts_that_have_to_move_are_moved_whole_wherever_the_power_goes() {
    check_parts(&[(2, noise(2, 105_000)), (7, noise(7, 110_000)), (9, noise(9, 9))]);
}

#[test]
fn a_part_sent_again_counts_and_an_aborted_upload_leaves_nothing() {
    let house = house_with_bucket(1);
    drop(wait(house.plane.begin_put(&at(KEY), None)).unwrap());
    let clean = house.state();
    let id = wait(house.plane.initiate(&at(KEY), Headers::new())).unwrap();
    let (old, new, last) = (noise(1, 120_000), noise(2, 120_000), noise(3, 10));
    house.part(&id, 1, &old).unwrap();
    house.part(&id, 2, &last).unwrap();
    let house = house.restarted();
    house.part(&id, 1, &new).unwrap();
    house.assert_clean(&Live::default(), "in the middle of an upload");
    assert_eq!(code(wait(house.plane.remove_bucket(&bucket()))), "BucketNotEmpty");
    let wanted = vec![(1, md5_of(&old)), (2, md5_of(&last))];
    assert_eq!(code(wait(house.plane.complete(&at(KEY), &id, Some(wanted), true))), "InvalidPart");
    let order = vec![(2, md5_of(&last)), (1, md5_of(&new))];
    assert_eq!(code(wait(house.plane.complete(&at(KEY), &id, Some(order), true))), "InvalidPartOrder");
    let facts = wait(house.plane.complete(&at(KEY), &id, None, true)).unwrap();
    let whole = [new, last].concat();
    assert_eq!((facts.crc64, house.read(KEY)), (Some(crc_of(&whole)), whole));
    assert_eq!(code(house.part(&id, 1, &old)), "NoSuchUpload");
    house.remove(KEY).unwrap();
    let id = wait(house.plane.initiate(&at(KEY), Headers::new())).unwrap();
    house.part(&id, 1, &old).unwrap();
    wait(house.plane.abort(&at(KEY), &id)).unwrap();
    assert_eq!(code(wait(house.plane.abort(&at(KEY), &id))), "NoSuchUpload");
    assert_eq!(house.state(), clean);
}

/// A part that is still being written when its upload is completed must not reach the object.
#[test]
fn nothing_is_written_to_an_object_by_a_part_that_comes_too_late() {
    let house = house_with_bucket(1);
    let id = wait(house.plane.initiate(&at(KEY), Headers::new())).unwrap();
    let bytes = noise(1, 120_000);
    house.part(&id, 1, &bytes).unwrap();
    wait(async {
        let mut late = house.plane.begin_part(&at(KEY), &id, 2, Some(6)).await.unwrap();
        late.write(vec![Bytes::from_static(b"abc")]).await.unwrap();
        house.plane.complete(&at(KEY), &id, Some(vec![(1, md5_of(&bytes))]), true).await.unwrap();
        // Whichever is the first to meet the closed gate: a write is told of the one before it.
        let late = match late.write(vec![Bytes::from_static(b"def")]).await {
            Ok(()) => late.finish(Ending::default()).await,
            Err(failure) => Err(failure),
        };
        assert_eq!(late.map_err(|failure| failure_code(&failure)).map(drop), Err("NoSuchUpload".to_owned()));
    });
    assert_eq!(house.read(KEY), bytes);
    house.assert_clean(&Live::default(), "after a late part");
}

#[test]
fn common_prefixes_are_told_once_and_passed_over() {
    let house = house_with_bucket(1);
    for key in ["a", "a/1", "a/2", "a/b/3", "a0", "b/1", "c"] {
        house.send(key, b"x", Ending::default()).unwrap();
    }
    let list = |prefix: &str, after: &str, count| {
        let asked = ListAsked {
            prefix: prefix.into(),
            after: after.into(),
            delimiter: "/".into(),
            count,
            ..ListAsked::default()
        };
        let listed = wait(house.plane.list(&bucket(), &asked)).unwrap();
        let keys: Vec<String> = listed.items.into_iter().map(|facts| facts.key).collect();
        (keys, listed.prefixes, listed.more)
    };
    let told = |keys: &[&str], prefixes: &[&str], more| {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        (owned(keys), owned(prefixes), more)
    };
    assert_eq!(list("", "", 10), told(&["a", "a0", "c"], &["a/", "b/"], false));
    assert_eq!(list("", "", 2), told(&["a"], &["a/"], true));
    assert_eq!(list("", "a/", 2), told(&["a0"], &["b/"], true));
    assert_eq!(list("", "a/1", 2), told(&["a0"], &["a/"], true));
    assert_eq!(list("a/", "", 10), told(&["a/1", "a/2"], &["a/b/"], false));
    assert_eq!(list("a/b", "", 1), told(&[], &["a/b/"], false));
    assert_eq!(list("z", "", 1), told(&[], &[], false));
}
