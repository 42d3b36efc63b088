//! Which frames the live manifests name.
//!
//! Held in memory: 32 bytes and a few more for each distinct chunk and page, about 1 GiB for 10 TiB
//! of distinct data. A region that outgrows this wants the set in passes by prefix, as counting
//! chunks does.

use std::collections::{HashMap, HashSet};

use domain::{AccountId, Digest, ManifestId};

use crate::fault::Result;
use crate::fetch::Fetcher;
use crate::index::{Domain, domain_of};
use crate::store::Store;
use crate::walk::{Segments, leaf};

/// Ids by domain.
#[derive(Default)]
pub(crate) struct Marked(HashMap<Domain, HashSet<Digest>>);

impl Marked {
    /// Whether a frame is named.
    pub(crate) fn holds(&self, domain: &Domain, id: &Digest) -> bool {
        self.0.get(domain).is_some_and(|ids| ids.contains(id))
    }

    /// Names a frame; `false` if it was named before.
    pub(crate) fn insert(&mut self, domain: Domain, id: Digest) -> bool {
        self.0.entry(domain).or_default().insert(id)
    }
}

/// Marks all pages and chunks of these manifests. Fails if one cannot be read: then nobody knows
/// what is named.
pub(crate) fn mark(
    store: &Store,
    live: &[(AccountId, ManifestId)],
    mut pause: impl FnMut() -> Result<()>,
) -> Result<Marked> {
    let mut marked = Marked::default();
    for (account, manifest) in live {
        let domain = domain_of(account);
        if !marked.insert(domain, manifest.0) {
            continue;
        }
        let mut fetcher = Fetcher::new(store, domain, None);
        let mut segments = Segments::open(&mut fetcher, manifest)?;
        for (_, branch) in &segments.root.branches {
            marked.insert(domain, *branch);
        }
        while let Some(segment) = segments.next(&mut fetcher)? {
            // A page that was seen has named its chunks.
            if marked.insert(domain, segment.page) {
                for chunk in leaf(&mut fetcher, &segments.root, &segment)? {
                    marked.insert(domain, chunk.id);
                }
            }
        }
        pause()?;
    }
    Ok(marked)
}
