//! The disk maker judged by the disk crates: what was written is read back through them.

use std::path::Path;

use crate::disk::{self, DISK_BYTES_MIN, Plan};
use crate::sparse::{self, Comparison};
use crate::text;

fn plan() -> Plan {
    Plan { disk_bytes: 4 * DISK_BYTES_MIN, log_bytes: (2 << 20) + 77, program: None, seed: 5 }
}

fn made(dir: &Path, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    disk::make(&path, &plan()).unwrap();
    path
}

#[test]
fn a_disk_has_a_partition_table_a_file_system_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path(), "disk.raw");
    let table = gpt::GptConfig::new().open(&path).unwrap();
    let partitions: Vec<_> = table.partitions().values().collect();
    assert_eq!(partitions.len(), 1);
    assert_eq!((partitions[0].name.as_str(), partitions[0].first_lba), ("golden", 2048));
    assert!(table.primary_header().is_ok() && table.backup_header().is_ok());
    let files = disk::list(&path).unwrap();
    assert_eq!(files.iter().filter(|file| file.path.starts_with("/usr/share/doc/")).count(), 40);
    let logs: u64 =
        files.iter().filter(|file| file.path.starts_with("/var/log/")).map(|file| file.bytes).sum();
    assert_eq!(logs, plan().log_bytes);
    assert_eq!(disk::read(&path, "var/log/day-0002.log").unwrap(), text::lines(7, 77));
    assert_eq!(disk::read(&path, "etc/release").unwrap(), b"NAME=\"Golden\"\nVERSION=1\n");
}

#[test]
fn the_same_plan_makes_the_same_disk_and_most_of_it_is_holes() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (made(dir.path(), "one.raw"), made(dir.path(), "other.raw"));
    assert_eq!(sparse::compare(&one, &other).unwrap(), Comparison::Equal { bytes: plan().disk_bytes });
    assert!(sparse::allocated_bytes(&one).unwrap() < plan().disk_bytes / 2);
}

#[test]
fn a_revision_changes_what_it_says_and_keeps_the_holes() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path(), "v1.raw");
    let [second, third] = ["v2.raw", "v3.raw"].map(|name| dir.path().join(name));
    disk::revise(&first, &second, 2, 1 << 20).unwrap();
    disk::revise(&second, &third, 3, 1 << 20).unwrap();
    let count = |path: &Path| disk::list(path).unwrap().len();
    assert_eq!((count(&second), count(&third)), (count(&first) + 1, count(&first) + 1));
    assert_eq!(disk::read(&third, "etc/release").unwrap(), b"NAME=\"Golden\"\nVERSION=3\n");
    assert!(matches!(sparse::compare(&first, &second).unwrap(), Comparison::Different { .. }));
    assert!(sparse::allocated_bytes(&third).unwrap() < plan().disk_bytes / 2);
}

#[test]
fn a_comparison_names_the_first_byte_that_differs() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other, longer] = ["one", "other", "longer"].map(|name| dir.path().join(name));
    let mut bytes = vec![7; 3 << 20];
    std::fs::write(&one, &bytes).unwrap();
    bytes[2_500_001] = 8;
    std::fs::write(&other, &bytes).unwrap();
    bytes[2_500_001] = 7;
    bytes.push(0);
    std::fs::write(&longer, &bytes).unwrap();
    assert_eq!(sparse::compare(&one, &other).unwrap(), Comparison::Different { at: 2_500_001 });
    assert_eq!(sparse::compare(&one, &longer).unwrap(), Comparison::Different { at: 3 << 20 });
    assert_eq!(sparse::compare(&one, &one).unwrap(), Comparison::Equal { bytes: 3 << 20 });
}

#[test]
fn a_disk_of_a_user_is_changed_in_a_few_places() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path(), "v1.raw");
    let second = dir.path().join("v2.raw");
    sparse::copy(&first, &second).unwrap();
    assert_eq!(sparse::compare(&first, &second).unwrap(), Comparison::Equal { bytes: plan().disk_bytes });
    assert!(sparse::touch(&second, 2).unwrap() > 0);
    assert!(matches!(sparse::compare(&first, &second).unwrap(), Comparison::Different { .. }));
    assert!(sparse::allocated_bytes(&second).unwrap() < plan().disk_bytes / 2);
}

#[test]
fn a_disk_too_small_for_its_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let small = Plan { disk_bytes: 1 << 20, ..plan() };
    let error = disk::make(&dir.path().join("small.raw"), &small).unwrap_err();
    assert!(error.to_string().contains("too small"), "{error}");
}
