//! Images copied from one region to another, whatever happens on the way, and what becomes of the
//! copies afterwards.
//!
//! [`kill`] has a child process copy many images and kills it again and again; [`meter`] stands
//! between the data plane and the disk and knows across all kills what was read from the source.
//! [`away`] takes the source region away while a copy is under way. What single frames, damage and
//! accounts do to a copy is the business of the room `data`.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "copies/away.rs"]
mod away;
#[expect(dead_code, reason = "written for the torture, which also picks")]
#[path = "torture/chance.rs"]
mod chance;
#[path = "debian/disks.rs"]
mod disks;
#[path = "copies/house.rs"]
mod house;
#[path = "copies/kill.rs"]
mod kill;
#[path = "copies/log.rs"]
mod log;
#[path = "copies/meter.rs"]
mod meter;
#[path = "copies/small.rs"]
mod small;

#[test]
fn copies_of_200_images_and_a_debian_disk_killed_on_the_way_end_whole_and_send_nothing_twice() {
    kill::play("copies_of_200_images_and_a_debian_disk_killed_on_the_way_end_whole_and_send_nothing_twice");
}

#[test]
fn a_copy_whose_source_region_goes_away_says_so_and_goes_on_when_it_is_back() {
    away::check_comes_back();
}

#[test]
fn a_copy_cancelled_while_it_waits_for_its_source_leaves_nothing_behind() {
    away::check_cancelled();
}
