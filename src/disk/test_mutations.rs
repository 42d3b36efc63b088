//! Valid files, damaged at random: whatever they become, opening and reading them ends, stays
//! inside the file and never panics. A failure prints the seed that repeats it.

use std::sync::atomic::Ordering;

use domain::port::{Compression, Format};

use crate::test_support::{Dir, MemoryFile, Seeded, dynamic_vhd, put_checksum, qemu, text, write_all};

/// Damaged files of each kind; more in a long run: `DISK_MUTATIONS=100000`.
const MUTATIONS: u64 = 2_000;
/// What is read of a disk that a flipped bit made huge.
const READS_MAX: usize = 60;

/// Small disks in the shapes that differ in their tables.
fn victims() -> Vec<Vec<u8>> {
    let dir = Dir::new();
    let raw = dir.write("raw", &Seeded::new(3).disk(300 << 10));
    let mut victims = Vec::new();
    for (number, args) in [
        &["-o", "cluster_size=512"][..],
        &["-c", "-o", "cluster_size=4k"],
        &["-c", "-o", "cluster_size=4k,compression_type=zstd"],
        &["-o", "extended_l2=on,cluster_size=16k"],
        &["-c", "-o", "extended_l2=on,cluster_size=16k"],
        &["-o", "compat=0.10,cluster_size=4k"],
    ]
    .iter()
    .enumerate()
    {
        let image = dir.path(&format!("image-{number}"));
        qemu(
            "qemu-img",
            &[&["convert", "-f", "raw", "-O", "qcow2"], *args, &[text(&raw), text(&image)]].concat(),
        );
        victims.push(std::fs::read(&image).unwrap());
    }
    let file = MemoryFile::new(Vec::new());
    let bytes = Seeded::new(6).disk(300 << 10);
    let sink = disk::create(file.clone(), Format::Qcow2, Compression::Zstd, bytes.len() as u64).unwrap();
    write_all(&*sink, &bytes, 6);
    sink.finish().unwrap();
    let len = files::File::identity(&*file).unwrap().size_bytes;
    let mut written = vec![0; usize::try_from(len).unwrap()];
    files::File::read_at(&*file, 0, &mut written).unwrap();
    victims.push(written);
    victims
}

/// Damages a file, most often where it says what is where.
fn damage(bytes: &mut Vec<u8>, seeded: &mut Seeded) {
    let l1 = usize::try_from(u64::from_be_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    let l2 = u64::from_be_bytes(bytes[l1..l1 + 8].try_into().unwrap()) & 0x00ff_ffff_ffff_fe00;
    let l2 = usize::try_from(l2).unwrap();
    damage_in(bytes, &[(0, 112), (112, 400), (l1, 64), (l2, 512), (l2, 512), (0, bytes.len())], seeded);
}

/// Damages a VHD, and most often makes the checksums right again, so that what they guard is tested.
fn damage_vhd(bytes: &mut Vec<u8>, seeded: &mut Seeded) {
    let len = bytes.len();
    let footers = [(0, 85), (len - 512, 85)];
    let dynamic = [(512, 40), (512 + 16, 20), (1536, 300), (1536, 300), (0, len)];
    let is_dynamic = bytes.starts_with(b"conectix");
    damage_in(bytes, &[&footers[usize::from(!is_dynamic)..], &dynamic].concat(), seeded);
    if bytes.len() == len && seeded.below(8) != 0 {
        if is_dynamic {
            // One footer decides, or the two would nearly always disagree.
            let from = [0, len - 512][seeded.index(2)];
            put_checksum(&mut bytes[from..from + 512], 64);
            bytes.copy_within(from..from + 512, len - 512 - from);
            put_checksum(&mut bytes[512..1536], 36);
        } else {
            put_checksum(&mut bytes[len - 512..], 64);
        }
    }
}

/// Damages a few bytes in some of these places, and sometimes cuts the file.
fn damage_in(bytes: &mut Vec<u8>, places: &[(usize, usize)], seeded: &mut Seeded) {
    for _ in 0..=seeded.index(3) {
        let (begin, len) = places[seeded.index(places.len())];
        let at = (begin + seeded.index(len)).min(bytes.len() - 1);
        match seeded.below(4) {
            0 => bytes[at] = seeded.next().to_le_bytes()[0],
            1 => bytes[at] = [0, 0xff][seeded.index(2)],
            2 => {
                let from = seeded.index(bytes.len() - 8) / 8 * 8;
                let to = at.min(bytes.len() - 8) / 8 * 8;
                bytes.copy_within(from..from + 8, to);
            }
            _ => bytes[at] ^= 1 << seeded.below(8),
        }
    }
    if seeded.below(8) == 0 {
        bytes.truncate(1 + seeded.index(bytes.len()));
    }
}

/// Opens what there is and reads about in it; gives whether it could be opened.
fn try_out(bytes: Vec<u8>, format: Format, seeded: &mut Seeded) -> bool {
    let file = MemoryFile::new(bytes);
    let format = [None, Some(format)][seeded.index(2)];
    let opened = disk::open(file.clone(), format);
    if let Ok(source) = &opened {
        let (mut at, mut out) = (0, vec![0; 40_000]);
        for _ in 0..READS_MAX {
            let Ok(Some(data)) = source.next_data(at) else { break };
            assert!(at <= data.start && data.start < data.end && data.end <= source.disk_bytes());
            let len = usize::try_from(data.end - data.start).unwrap().min(out.len());
            _ = source.read_at(data.start, &mut out[..len]);
            at = data.start + len as u64;
        }
        for _ in 0..4 {
            let begin = seeded.below(source.disk_bytes());
            let len = (source.disk_bytes() - begin).min(1 + seeded.below(30_000));
            _ = source.read_at(begin, &mut out[..usize::try_from(len).unwrap()]);
        }
    }
    assert_eq!(file.read_outside.load(Ordering::Relaxed), 0, "it was read outside the file");
    opened.is_ok()
}

/// Damages each victim many times and tries it out.
fn check(victims: &[Vec<u8>], format: Format, damage: fn(&mut Vec<u8>, &mut Seeded)) {
    let mutations = std::env::var("DISK_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    let (mut opened, mut refused) = (0, 0);
    for (number, victim) in victims.iter().enumerate() {
        for seed in 0..mutations {
            let outcome = std::panic::catch_unwind(|| {
                let mut seeded = Seeded::new(seed * 16 + number as u64);
                let mut bytes = victim.clone();
                damage(&mut bytes, &mut seeded);
                try_out(bytes, format, &mut seeded)
            });
            let was_opened = outcome.unwrap_or_else(|_| panic!("victim {number}, seed {seed}"));
            *(if was_opened { &mut opened } else { &mut refused }) += 1;
        }
    }
    let least = mutations * victims.len() as u64 / 7;
    assert!(opened > least && refused > least, "{opened} opened, {refused} refused: the damage tests little");
}

#[test]
fn a_damaged_qcow2_is_refused_or_read_but_never_trips_us() {
    check(&victims(), Format::Qcow2, damage);
}

#[test]
fn a_damaged_vhd_is_refused_or_read_but_never_trips_us() {
    let mut seeded = Seeded::new(12);
    let disk = seeded.disk(300 << 10);
    let mut fixed = disk.clone();
    let dynamic = dynamic_vhd(&disk, 4 << 10, &mut seeded);
    fixed.extend(&dynamic[..512]);
    let kind = fixed.len() - 512 + 63;
    fixed[kind] = 2;
    let footer = fixed.len() - 512;
    put_checksum(&mut fixed[footer..], 64);
    let larger = dynamic_vhd(&disk, 64 << 10, &mut seeded);
    check(&[dynamic, larger, fixed], Format::Vhd, damage_vhd);
}

#[test]
fn random_bytes_behind_a_magic_are_refused_or_read_but_never_trip_us() {
    for seed in 0..MUTATIONS {
        let mut seeded = Seeded::new(seed);
        let mut bytes = vec![0; 1 + seeded.index(80_000)];
        seeded.fill(&mut bytes);
        for (at, byte) in b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0c".iter().enumerate() {
            if let Some(place) = bytes.get_mut(at) {
                *place = *byte;
            }
        }
        try_out(bytes, Format::Qcow2, &mut seeded);
    }
}
