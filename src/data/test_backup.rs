//! Objects that change while their store is copied: each comes back as what somebody was told it is.

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;
use domain::port::{BackedUp, Buckets};
use domain::port_objects::{ListAsked, ObjectKind, Objects};

use crate::Plane;
use crate::backup::{Copying, bring_back, unpin};
use crate::test_bucket::{at, bucket, house_with_bucket};
use crate::test_support::{House, Live, noise, options, region, store, wait};
use crate::test_wire::ending;

/// Copies the store, with something done between the copy of the index and that of the rest, and opens the copy.
fn copied(house: &House, meanwhile: impl FnOnce()) -> House {
    let (to, again) = (Path::new("/copy"), Path::new("/again"));
    house.sim.put_dir(to);
    house.sim.put_dir(again);
    let files = house.sim.mount();
    let store = wait(house.plane.blocking(|inner| inner.store(&region(), &store()))).unwrap();
    let mut copying = Copying::new(&*files, to, None, HashMap::new());
    let packs = copying.index(&store).unwrap();
    meanwhile();
    copying.store(&store, packs).unwrap();
    unpin(&*files, &store.dir).unwrap();
    let buckets: Vec<&str> = copying.copied.iter().filter_map(BackedUp::bucket).collect();
    assert!(!buckets.is_empty() && buckets.iter().all(|name| *name == bucket().name), "{buckets:?}");
    bring_back(&*files, to, again, &copying.copied).unwrap();
    House { sim: house.sim.clone(), plane: Plane::new(house.sim.mount(), again.into(), options()) }
}

#[test]
fn an_object_that_came_while_its_store_was_copied_is_in_every_list() {
    let house = house_with_bucket(1);
    house.send("before", b"before", ending("b", true)).unwrap();
    let before = house.facts("before");
    let again = copied(&house, || drop(house.send("later", b"later", ending("b", true)).unwrap()));
    assert_eq!((again.facts("before"), again.read("later")), (before, b"later".to_vec()));
    let asked = ListAsked { count: 10, ..ListAsked::default() };
    let listed = wait(again.plane.list(&bucket(), &asked)).unwrap().items;
    let keys: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["before", "later"]);
    for key in keys {
        wait(again.plane.remove_object(&at(key))).unwrap();
    }
    wait(again.plane.remove_bucket(&bucket())).unwrap();
    again.assert_clean(&Live::default(), "the bucket is gone");
}

#[test]
fn an_object_that_is_being_appended_to_comes_as_long_as_somebody_was_told_it_is() {
    let (first, second) = (noise(1, 150_000), noise(2, 90_000));
    // Bytes are put behind it before the index is copied, and nobody is told; or after that, and somebody is.
    for is_told in [false, true] {
        let house = house_with_bucket(2);
        let told = house.append("log", 0, &first).unwrap();
        let under_way = (!is_told).then(|| {
            wait(async {
                let mut append = house.plane.begin_append(&at("log"), told.bytes).await.unwrap();
                append.write(vec![Bytes::from(second.clone())]).await.unwrap();
                append
            })
        });
        let again = copied(&house, || {
            if is_told {
                house.append("log", told.bytes, &second).unwrap();
            }
        });
        drop(under_way);
        assert_eq!(again.facts("log"), Some(told.clone()), "told: {is_told}");
        assert_eq!((told.kind, again.read("log")), (ObjectKind::Appendable, first.clone()));
        again.append("log", told.bytes, b"more").unwrap();
        assert_eq!(again.read("log"), [&first[..], b"more"].concat(), "told: {is_told}");
    }
}
