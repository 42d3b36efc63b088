//! The engine simulated: seeds by the hundred, each a house of its own with its lives, its disk, its world and its
//! clients, all of which a seed decides to the byte.
//!
//! `KILN_SEED` is the first seed and `KILN_SEEDS` their number; without that they are played for a while. What fails
//! says how to play it again.

use std::time::{Duration, Instant};

use crate::tests_simulate_run::{Played, play};

/// How long seeds are played when their number is not given.
const PLAY: Duration = Duration::from_secs(25);

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Panics that are part of the play are not shown.
fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            let shown = std::env::var_os("KILN_LOUD").is_some();
            if shown || !(["committer", "writer"].contains(&&*name) || name.contains("simulat")) {
                before(info);
            }
        }));
    });
}

fn tell(seed: u64, problems: &[String]) -> String {
    format!(
        "seed {seed}:\n  {}\nagain: KILN_SEED={seed} KILN_SEEDS=1 cargo test -p engine simulated_seeds",
        problems.join("\n  ")
    )
}

#[test]
fn simulated_seeds_end_as_they_should() {
    hush();
    let first = variable("KILN_SEED").unwrap_or(1);
    let seeds = variable("KILN_SEEDS");
    let begin = Instant::now();
    let mut sum = Played::default();
    let mut count = 0;
    while seeds.map_or(count == 0 || begin.elapsed() < PLAY, |seeds| count < seeds) {
        let seed = first.wrapping_add(count);
        match play(seed) {
            Ok(played) => {
                sum.events += played.events;
                sum.flows += played.flows;
                sum.lives += played.lives;
                sum.calls += played.calls;
                sum.releases += played.releases;
            }
            Err(problems) => panic!("{}", tell(seed, &problems)),
        }
        count += 1;
    }
    println!(
        "soak: {count} seeds from {first}: {} lives, {} flows, {} events, {} calls of the world, {} let go on by a person",
        sum.lives, sum.flows, sum.events, sum.calls, sum.releases
    );
}

#[test]
fn simulated_seeds_repeat_to_the_byte() {
    hush();
    for seed in 1..40 {
        let (once, again) = (play(seed), play(seed));
        assert!(once == again, "seed {seed} is not the same twice");
    }
}
