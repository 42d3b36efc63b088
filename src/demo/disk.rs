//! A real disk, made here: a GPT with one partition, a FAT file system in it, and real files.
//!
//! ```text
//!  0        1 MiB                                                          end
//!  │ GPT    │ FAT: /etc, /usr/share/doc, /var/log, the program in pieces   │ GPT again │
//! ```
//!
//! Everything is written through the crates `gpt` and `fatfs`, so a mistake of ours in a format cannot
//! hide behind a reader with the same mistake. The same plan makes the same disk: ids and times are
//! fixed. It does not boot; nothing here needs it to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::partition_types;

use crate::error::{Attempted, Error, disk as disk_error};
use crate::{sparse, text};

const SECTOR_BYTES: u64 = 512;
/// Where partitions begin by custom, which aligns them for every disk there is.
const PARTITION_SECTOR: u64 = 2048;
/// Sectors of the second table at the end of the disk.
const TABLE_SECTORS: u64 = 33;
/// A cluster is as long as the blocks in which Kiln looks for cuts and holes.
const CLUSTER_BYTES: u32 = 4096;
/// Length of the program's pieces and of the longer logs.
const PIECE_BYTES: usize = 1 << 20;
/// Packages, each a configuration file and a page of documentation.
const PACKAGES: u32 = 40;
const DOC_BYTES: usize = 24 << 10;
/// The smallest disk that holds the packages and a log.
pub const DISK_BYTES_MIN: u64 = 8 << 20;

const DISK_ID: &str = "4b494c4e-0000-4000-8000-000000000001";
const PARTITION_ID: &str = "4b494c4e-0000-4000-8000-000000000002";
const VOLUME_ID: u32 = 0x4b49_4c4e;
const LABEL: [u8; 11] = *b"GOLDEN     ";

/// What to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Size of the disk as a machine would see it.
    pub disk_bytes: u64,
    /// Bytes of logs in it.
    pub log_bytes: u64,
    /// A program to put in it, in pieces of 1 MiB, and how many of them at most.
    pub program: Option<(PathBuf, usize)>,
    /// Another seed, other logs.
    pub seed: u64,
}

/// A file found in a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Path in the file system.
    pub path: String,
    /// Length.
    pub bytes: u64,
}

/// Makes a disk; what is at `path` is replaced.
pub fn make(path: &Path, plan: &Plan) -> Result<(), Error> {
    let what = || format!("making the disk `{}`", path.display());
    if plan.disk_bytes < DISK_BYTES_MIN || !plan.disk_bytes.is_multiple_of(SECTOR_BYTES) {
        return Err(Error::Asked(format!(
            "a disk of {} bytes is too small or no whole number of sectors; try {DISK_BYTES_MIN}",
            plan.disk_bytes
        )));
    }
    let file = File::create(path).attempting(what())?;
    file.set_len(plan.disk_bytes).attempting(what())?;
    drop(file);
    partition(path, plan.disk_bytes).attempting(what())?;
    let slice = Slice::open(path).attempting(what())?;
    let format =
        FormatVolumeOptions::new().bytes_per_cluster(CLUSTER_BYTES).volume_id(VOLUME_ID).volume_label(LABEL);
    fatfs::format_volume(slice, format).attempting(what())?;
    fill(path, plan).attempting(what())
}

/// Copies a disk, holes kept, and changes it as a Tuesday's update would: `version` is 2 or more.
pub fn revise(from: &Path, to: &Path, version: u32, added_bytes: u64) -> Result<(), Error> {
    sparse::copy(from, to)?;
    let change = || -> io::Result<()> {
        let fat = mount(to)?;
        write_release(&fat, version)?;
        for package in (0..PACKAGES).filter(|package| package % 8 == version % 8) {
            write_package(&fat, package, version)?;
        }
        let dir = format!("opt/update-{version}");
        make_dirs(&fat, &dir)?;
        write_logs(&fat, &dir, u64::from(version) << 32, added_bytes)?;
        if version > 2 {
            fat.root_dir().remove(&format!("usr/share/doc/package-{:03}/readme.txt", version % PACKAGES))?;
        }
        fat.unmount()
    };
    change().attempting(format!("changing the disk `{}`", to.display()))
}

/// The files of a disk, sorted by path; fails unless table and file system can be read.
pub fn list(path: &Path) -> Result<Vec<Found>, Error> {
    let walk = || -> io::Result<Vec<Found>> {
        let fat = mount(path)?;
        let mut found = Vec::new();
        let mut dirs = vec![(String::new(), fat.root_dir())];
        while let Some((prefix, dir)) = dirs.pop() {
            for entry in dir.iter() {
                let entry = entry?;
                let name = entry.file_name();
                if name == "." || name == ".." {
                    continue;
                }
                let path = format!("{prefix}/{name}");
                if entry.is_dir() {
                    dirs.push((path, entry.to_dir()));
                } else {
                    found.push(Found { path, bytes: entry.len() });
                }
            }
        }
        found.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(found)
    };
    walk().attempting(format!("reading the file system of `{}`", path.display()))
}

/// The content of a file of a disk.
pub fn read(path: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let get = || -> io::Result<Vec<u8>> {
        let fat = mount(path)?;
        let mut bytes = Vec::new();
        fat.root_dir().open_file(name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    get().attempting(format!("reading `{name}` of `{}`", path.display()))
}

/// Writes the partition table.
fn partition(path: &Path, disk_bytes: u64) -> io::Result<()> {
    let sectors = disk_bytes / SECTOR_BYTES;
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mbr = gpt::mbr::ProtectiveMBR::with_lb_size(u32::try_from(sectors - 1).unwrap_or(u32::MAX));
    mbr.overwrite_lba0(&mut file).map_err(disk_error)?;
    let config = GptConfig::new().writable(true).logical_block_size(LogicalBlockSize::Lb512);
    let id = DISK_ID.parse().map_err(disk_error)?;
    let mut disk = config.create_from_device(file, Some(id)).map_err(disk_error)?;
    // The table wants its headers on the disk before it says what is free.
    disk.write_inplace().map_err(disk_error)?;
    let length = sectors - TABLE_SECTORS - 1 - PARTITION_SECTOR;
    disk.add_partition_at("golden", 1, PARTITION_SECTOR, length, partition_types::BASIC, 0)
        .map_err(disk_error)?;
    let mut partitions = disk.take_partitions();
    for partition in partitions.values_mut() {
        partition.part_guid = PARTITION_ID.parse().map_err(disk_error)?;
    }
    disk.update_partitions(partitions).map_err(disk_error)?;
    disk.write().map_err(disk_error)?.sync_all()
}

fn mount(path: &Path) -> io::Result<FileSystem<Slice>> {
    FileSystem::new(Slice::open(path)?, FsOptions::new().time_provider(&RELEASE_DAY))
}

/// Puts the first version's files into the file system.
fn fill(path: &Path, plan: &Plan) -> io::Result<()> {
    let fat = mount(path)?;
    for dir in ["etc/packages", "usr/share/doc", "var/log", "usr/lib/kiln"] {
        make_dirs(&fat, dir)?;
    }
    write_release(&fat, 1)?;
    for package in 0..PACKAGES {
        write_package(&fat, package, 1)?;
        let dir = format!("usr/share/doc/package-{package:03}");
        make_dirs(&fat, &dir)?;
        let page = text::lines(0x1000 + u64::from(package), DOC_BYTES);
        write(&fat, &format!("{dir}/readme.txt"), &page)?;
    }
    if let Some((program, pieces_max)) = &plan.program {
        let program = File::open(program)?;
        for piece in 0..*pieces_max {
            let mut bytes = Vec::with_capacity(PIECE_BYTES);
            (&program).take(PIECE_BYTES as u64).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                break;
            }
            write(&fat, &format!("usr/lib/kiln/kiln.{piece:03}"), &bytes)?;
        }
    }
    write_logs(&fat, "var/log", plan.seed, plan.log_bytes)?;
    fat.unmount()
}

fn write_release(fat: &FileSystem<Slice>, version: u32) -> io::Result<()> {
    write(fat, "etc/release", format!("NAME=\"Golden\"\nVERSION={version}\n").as_bytes())
}

fn write_package(fat: &FileSystem<Slice>, package: u32, version: u32) -> io::Result<()> {
    write(fat, &format!("etc/packages/package-{package:03}.toml"), &text::config(package, version))
}

fn write_logs(fat: &FileSystem<Slice>, dir: &str, seed: u64, bytes: u64) -> io::Result<()> {
    let (mut left, mut number) = (bytes, 0);
    while left > 0 {
        let now = left.min(PIECE_BYTES as u64);
        let log = text::lines(seed.wrapping_add(number), usize::try_from(now).expect("it is at most 1 MiB"));
        write(fat, &format!("{dir}/day-{number:04}.log"), &log)?;
        left -= now;
        number += 1;
    }
    Ok(())
}

/// Gives a file this content, whatever was there.
fn write(fat: &FileSystem<Slice>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = fat.root_dir().create_file(path)?;
    file.truncate()?;
    file.write_all(bytes)?;
    file.flush()
}

fn make_dirs(fat: &FileSystem<Slice>, path: &str) -> io::Result<()> {
    let mut dir = fat.root_dir();
    for name in path.split('/') {
        dir = dir.create_dir(name)?;
    }
    Ok(())
}

/// The time all files have, so that the same plan makes the same disk.
#[derive(Debug)]
struct ReleaseDay;

static RELEASE_DAY: ReleaseDay = ReleaseDay;

impl TimeProvider for ReleaseDay {
    fn get_current_date(&self) -> Date {
        Date { year: 2026, month: 3, day: 3 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 9, min: 0, sec: 0, millis: 0 } }
    }
}

/// The partition of a disk, as a file of its own.
#[derive(Debug)]
struct Slice {
    file: File,
    begin: u64,
    len: u64,
    at: u64,
}

impl Slice {
    /// The first partition in the disk's table.
    fn open(path: &Path) -> io::Result<Self> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        let config = GptConfig::new().logical_block_size(LogicalBlockSize::Lb512).only_valid_headers(true);
        let disk = config.open_from_device(file.try_clone()?).map_err(disk_error)?;
        let partition = disk.partitions().values().next();
        let partition = partition.ok_or_else(|| io::Error::other("the table names no partition"))?;
        let begin = partition.first_lba * SECTOR_BYTES;
        let len = partition.sectors_len().map_err(disk_error)? * SECTOR_BYTES;
        Ok(Self { file, begin, len, at: 0 })
    }

    /// How much of `wanted` bytes there is from here on, with the file standing there.
    fn stand(&mut self, wanted: usize) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.file.seek(SeekFrom::Start(self.begin + self.at))?;
        Ok(wanted.min(left))
    }
}

impl Read for Slice {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.stand(out.len())?;
        let read = self.file.read(&mut out[..len])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Slice {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.stand(bytes.len())?;
        let written = self.file.write(&bytes[..len])?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Slice {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.len, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the beginning");
        self.at = from.checked_add_signed(by).ok_or_else(before)?;
        Ok(self.at)
    }
}
