//! The operations that race, each with what it is about and what it needs to find.

use std::pin::Pin;

use engine::{Error, Workflow};
use event::FlowId;
use workflows::Ports;

use crate::requests as ask;
use crate::scene::{Need, Scene};
use crate::world::{House, actor};

type Doing<'a> = Pin<Box<dyn Future<Output = Result<FlowId, Error>> + 'a>>;

/// What an operation is about. Two that have nothing of it in common cannot meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// The image, or its own snapshot, which goes with it.
    Image,
    /// Names, the family, and how many there may be.
    Names,
    /// The disk and the snapshot of it.
    Disk,
    /// The bucket and its objects.
    Bucket,
}

/// An operation.
#[derive(Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    about: &'static [Thing],
    pub needs: &'static [Need],
    /// Whether a cancel can meet it on its way.
    pub acts: bool,
    start: for<'a> fn(&'a House, &'a Scene, &'a str) -> Doing<'a>,
}

impl Operation {
    /// Starts it under a request, or finds it started.
    pub async fn start(&self, house: &House, scene: &Scene, request: &str) -> Result<FlowId, Error> {
        (self.start)(house, scene, request).await
    }

    pub fn meets(&self, other: &Self) -> bool {
        self.about.iter().any(|thing| other.about.contains(thing))
    }
}

fn begin<'a, W: Workflow<Ports = Ports> + 'a>(house: &'a House, request: &'a str, workflow: W) -> Doing<'a> {
    Box::pin(house.engine.start(actor(), request, workflow))
}

/// A row of the table.
macro_rules! operations {
    ($($name:ident $kind:ident $about:tt needs $needs:tt: |$scene:ident| $ask:expr;)*) => {
        /// Every operation that can meet another.
        pub const ALL: &[Operation] = &[$(Operation {
            name: stringify!($name),
            about: { use Thing::*; &$about },
            needs: { #[allow(unused_imports, reason = "not every operation needs something")] use Need::*; &$needs },
            acts: operations!(@ $kind),
            start: |house, $scene, request| begin(house, request, $ask),
        }),*];
    };
    (@ acts) => { true };
    (@ decides) => { false };
}

operations! {
    import acts [Names] needs []: |scene| ask::import(scene, 0, "new");
    import_other_content acts [Names] needs []: |scene| ask::import(scene, 1, "new");
    import_for_the_last_place acts [Names] needs [OneImage]: |scene| ask::import(scene, 1, "last");
    create_image acts [Names, Disk] needs []: |scene| ask::create(scene, &scene.taken, "new");
    create_image_from_own_snapshot acts [Names, Image] needs []: |scene| ask::create(scene, &scene.own, "made");
    rename decides [Names, Image] needs []: |scene| ask::rename(scene, "new");
    regroup decides [Names, Image] needs []: |scene| ask::regroup(scene);
    deprecate decides [Names, Image] needs []: |scene| ask::deprecate(scene);
    restore decides [Names, Image] needs [Deprecated]: |scene| ask::restore(scene);
    delete_image decides [Names, Image] needs []: |scene| ask::delete(scene, false);
    delete_image_keeping_snapshots decides [Names, Image] needs []: |scene| ask::delete(scene, true);
    share decides [Image] needs []: |scene| ask::share(scene, None);
    share_for_a_while decides [Image] needs []: |scene| ask::share(scene, Some(crate::scene::ENDS_MS * 2));
    unshare decides [Image] needs [Shared]: |scene| ask::unshare(scene);
    end_share decides [Image] needs [SharedUntil]: |scene| ask::end_share(scene);
    publish decides [Image] needs []: |scene| ask::publish(scene);
    unpublish decides [Image] needs [Public]: |scene| ask::unpublish(scene);
    copy acts [Image] needs []: |scene| ask::copy(scene, &scene.there);
    copy_by_who_it_is_shared_with acts [Image] needs [Shared]: |scene| ask::copy(scene, &scene.theirs);
    export_to_file acts [Image] needs []: |scene| ask::export_to_file(scene);
    export_as_the_only_one acts [Image] needs [OneExport]: |scene| ask::export_to_file(scene);
    export_to_bucket acts [Image, Bucket] needs []: |scene| ask::export_to_bucket(scene);
    check acts [Image] needs []: |scene| ask::check(scene);
    promote decides [Names, Image] needs []: |scene| ask::promote(scene, Some(&scene.image));
    roll_back decides [Names, Image] needs [Told]: |scene| ask::promote(scene, None);
    promote_in_vain acts [Names, Image] needs []: |scene| ask::promote_in_vain(scene, &scene.image);
    promote_second_in_vain acts [Names, Image] needs []: |scene| ask::promote_in_vain(scene, &scene.second);
    tag decides [Image, Disk] needs []: |scene| ask::tag(scene, "prod");
    tag_otherwise decides [Image, Disk] needs []: |scene| ask::tag(scene, "test");
    create_snapshot acts [Disk] needs []: |scene| ask::take(scene);
    modify_snapshot decides [Disk] needs []: |scene| ask::modify_snapshot(scene);
    delete_snapshot decides [Disk] needs []: |scene| ask::delete_snapshot(scene, &scene.taken);
    delete_own_snapshot decides [Image] needs []: |scene| ask::delete_snapshot(scene, &scene.own);
    copy_snapshot acts [Disk] needs []: |scene| ask::copy_snapshot(scene, &scene.taken);
    copy_own_snapshot acts [Image] needs []: |scene| ask::copy_snapshot(scene, &scene.own);
    create_disk_from_image acts [Image, Disk] needs []: |scene| ask::disk_of_image(scene, &scene.image);
    create_disk_from_snapshot acts [Disk] needs []: |scene| ask::disk_of_snapshot(scene, &scene.taken);
    create_disk_from_own_snapshot acts [Image] needs []: |scene| ask::disk_of_snapshot(scene, &scene.own);
    modify_disk decides [Disk] needs []: |scene| ask::modify_disk(scene);
    delete_disk decides [Disk] needs []: |scene| ask::delete_disk(scene);
    create_bucket acts [Bucket] needs []: |scene| ask::make_bucket(&scene.bucket);
    delete_bucket acts [Bucket] needs []: |scene| ask::delete_bucket(scene);
    put_object acts [Bucket] needs []: |scene| ask::put(scene, 0);
    put_other_object acts [Bucket] needs []: |scene| ask::put(scene, 1);
    get_object acts [Bucket] needs [Object]: |scene| ask::get(scene);
    remove_object decides [Bucket] needs [Object]: |scene| ask::remove(scene);
    collect decides [Names, Image, Disk] needs []: |scene| ask::collect(scene);
    set_image_quota decides [Names] needs []: |scene| ask::image_quota(scene, 2);
    set_export_quota decides [Image] needs []: |scene| ask::export_quota(scene, 0);
}
