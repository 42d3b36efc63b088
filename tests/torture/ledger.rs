//! What was asked of the program, and what it acknowledged: exit code 0 and its answer on stdout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::chance::Chance;

/// How far a wish is known to have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    #[default]
    Never,
    /// It was asked for, and whoever asked did not live to hear an answer: both ends are right.
    Asked,
    Acknowledged,
    Refused,
}

/// An image, by its name.
#[derive(Clone, Debug, Default)]
pub struct Image {
    pub disk: usize,
    /// Known once the import was acknowledged.
    pub id: Option<String>,
    pub import: Wish,
    pub deprecation: Wish,
    pub deletion: Wish,
}

/// An export, by its file.
#[derive(Clone, Debug)]
pub struct Export {
    pub image: String,
    pub qcow2: bool,
    pub wish: Wish,
}

/// A command given to one process.
#[derive(Clone, Debug)]
pub enum What {
    Import { name: String },
    Export { path: PathBuf },
    Deprecate { name: String },
    Delete { name: String },
    Collect,
    Watch,
}

/// Everything that was asked.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub images: BTreeMap<String, Image>,
    pub exports: BTreeMap<PathBuf, Export>,
    next: u64,
}

/// Images kept before deletions become likely; each more costs time at the end.
const IMAGES_ENOUGH: usize = 6;

impl Ledger {
    /// Wishes for something.
    pub fn wish(&mut self, chance: &mut Chance, bucket: &std::path::Path, disks: usize) -> What {
        let whole: Vec<String> =
            self.names(|image| image.import == Wish::Acknowledged && image.deletion == Wish::Never);
        let asked: Vec<String> = self.names(|image| image.import == Wish::Asked);
        self.next += 1;
        let number = self.next;
        let many = whole.len() >= IMAGES_ENOUGH;
        match (chance.below(20), chance.pick(&whole).cloned(), chance.pick(&asked).cloned()) {
            (0..6, Some(image), _) => {
                let path = bucket.join(format!("export-{number}"));
                let export = Export { image, qcow2: chance.below(5) == 0, wish: Wish::Asked };
                self.exports.insert(path.clone(), export);
                What::Export { path }
            }
            (6..9, Some(name), _) => self.delete(name),
            (9..12, Some(name), _) if many => self.delete(name),
            (12, Some(name), _) if self.images[&name].deprecation == Wish::Never => {
                self.image(&name).deprecation = Wish::Asked;
                What::Deprecate { name }
            }
            (13, ..) => What::Collect,
            (14, ..) => What::Watch,
            // The same command again: it joins the unfinished import, or learns that it had ended.
            (15..18, _, Some(name)) => What::Import { name },
            _ => {
                let disk = usize::try_from(chance.below(disks as u64)).unwrap();
                let name = format!("image-{number}");
                self.images.insert(name.clone(), Image { disk, import: Wish::Asked, ..Image::default() });
                What::Import { name }
            }
        }
    }

    fn delete(&mut self, name: String) -> What {
        self.image(&name).deletion = Wish::Asked;
        What::Delete { name }
    }

    pub fn image(&mut self, name: &str) -> &mut Image {
        self.images.get_mut(name).expect("the ledger has every image that was asked for")
    }

    fn names(&self, wanted: impl Fn(&Image) -> bool) -> Vec<String> {
        self.images.iter().filter(|(_, image)| wanted(image)).map(|(name, _)| name.clone()).collect()
    }
}
