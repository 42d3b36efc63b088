//! The end of a transfer: branch pages, the root page, and the answer.

use domain::Digest;
use domain::port::Transferred;

use crate::fault::Result;
use crate::grid::segments;
use crate::index::{Inside, Kind, SEGMENTS, SegmentRow};
use crate::manifest::{self, Root, SEGMENTS_PER_BRANCH, SegmentRef};
use crate::pack::Writer;
use crate::root::Tree;
use crate::transfer::Run;
use crate::walk::count_chunks;
use crate::worker::{Filled, Finished, Worker, seal};

/// Chunks of a segment, about; only decides how many passes counting takes.
const CHUNKS_PER_SEGMENT: u64 = 256;
/// Branch pages written in one transaction: a TiB of disk, 5 MiB of pages.
const PAGES_AT_ONCE: usize = 64;

impl Run<'_> {
    /// All segments are recorded: writes branches and root, and records the answer.
    pub(crate) fn finish(&self, open: Vec<Writer>) -> Result<Transferred> {
        let transfer = self.transfer;
        let disk_bytes = transfer.disk_bytes();
        let mut worker = Worker::new(self);
        let mut rest = open.into_iter();
        worker.writer = rest.next();
        let mut filled = Vec::new();
        for writer in rest {
            filled.push(seal(writer)?);
        }
        let mut tree = Tree::new(disk_bytes);
        let (mut data_bytes, mut references) = (0, 0);
        let mut branches = Vec::new();
        let mut pages = Vec::new();
        for number in 0..segments(disk_bytes).div_ceil(SEGMENTS_PER_BRANCH) {
            let first = number * SEGMENTS_PER_BRANCH;
            let rows = transfer.store.index.read(|tx| {
                let table = tx.open_table(SEGMENTS)?;
                let job = transfer.job.as_str();
                table
                    .range((job, first)..(job, first + SEGMENTS_PER_BRANCH))?
                    .map(|row| {
                        let (key, row) = row?;
                        Ok((key.value().1, SegmentRow::decode(row.value())))
                    })
                    .collect::<Inside<Vec<_>>>()
            })?;
            let mut branch = Vec::new();
            for (segment, row) in rows {
                data_bytes += row.data_bytes;
                references += CHUNKS_PER_SEGMENT;
                tree.push(segment, row.subtree);
                branch.extend(row.page.map(|page| SegmentRef { segment, page, subtree: row.subtree }));
            }
            if !branch.is_empty() {
                let page = manifest::encode_branch(&branch);
                let number = u32::try_from(number).expect("bounded by the largest disk");
                branches.push((number, manifest::page_id(&page)));
                pages.push(page);
                if pages.len() >= PAGES_AT_ONCE {
                    self.put_pages(&mut worker, &std::mem::take(&mut pages), &mut filled)?;
                }
            }
        }
        let page = manifest::encode_root(&Root { disk_bytes, branches });
        let manifest = manifest::manifest_id(manifest::page_id(&page));
        pages.push(page);
        self.put_pages(&mut worker, &pages, &mut filled)?;
        if let Some(writer) = worker.writer.take() {
            filled.push(seal(writer)?);
        }
        let sealed = Finished { segment: 0, row: None, bytes: 0, frames: Vec::new(), packs: filled };
        self.record(&[sealed], |_, _| Ok(()))?;
        let chunks = count_chunks(transfer.store, transfer.domain, &manifest, references)?;
        let root = tree.finish();
        transfer.origin.check(transfer.store)?;
        transfer.origin.check_answer(&root, &manifest)?;
        let mut answer = None;
        self.record(&[], |_, row| {
            let transferred = Transferred {
                root,
                manifest,
                data_bytes,
                new_bytes: row.new_bytes,
                stored_bytes: row.stored_bytes,
                chunks,
            };
            row.transferred = Some(transferred.clone());
            answer = Some(transferred);
            Ok(())
        })?;
        self.shared().done_bytes = disk_bytes;
        self.report()?;
        Ok(answer.expect("set before the transaction committed"))
    }

    fn put_pages(
        &self,
        worker: &mut Worker<'_, '_>,
        pages: &[Vec<u8>],
        filled: &mut Vec<Filled>,
    ) -> Result<()> {
        let ids: Vec<Digest> = pages.iter().map(|page| manifest::page_id(page)).collect();
        let mut frames = Vec::new();
        for (which, id) in worker.claim(&ids)? {
            frames.push(worker.append(id, Kind::Page, &pages[which])?);
        }
        let mut packs = worker.fill()?;
        packs.append(filled);
        self.record(&[Finished { segment: 0, row: None, bytes: 0, frames, packs }], |_, _| Ok(()))
    }
}
