//! What every command has at hand: the data directory, the screen, the region meant.

use domain::RegionId;
use remote::Remote;
use service::{House, ImageAt, Reply, Request, Trouble};

use crate::exit::Stop;
use crate::screen::Screen;

/// Who answers: the data directory, or a server elsewhere.
pub(crate) enum At {
    Here(House),
    There(Remote),
}

/// One run of the program.
pub(crate) struct Session {
    pub(crate) place: At,
    pub(crate) screen: Screen,
    pub(crate) region: Option<RegionId>,
}

impl Session {
    /// Asks, and takes the answer as what it has to be.
    pub(crate) async fn ask<T: TryFrom<Reply, Error = Trouble>>(&self, request: Request) -> Result<T, Stop> {
        Ok(match &self.place {
            At::Here(house) => house.ask(request).await?,
            At::There(remote) => remote.ask(request).await?,
        })
    }

    /// Whether it is only asked whether something could be done.
    pub(crate) fn is_dry_run(&self) -> bool {
        match &self.place {
            At::Here(house) => house.is_dry_run(),
            At::There(remote) => remote.is_dry_run(),
        }
    }

    /// The account that asks; a server elsewhere knows it by the key.
    pub(crate) fn account(&self) -> Option<&str> {
        match &self.place {
            At::Here(house) => Some(house.account()),
            At::There(_) => None,
        }
    }

    /// The data directory; what needs one cannot be asked of a server elsewhere.
    pub(crate) fn house(&self) -> Result<&House, Stop> {
        match &self.place {
            At::Here(house) => Ok(house),
            At::There(_) => Err(Stop::usage(
                "this needs the data directory itself",
                "ask where it is, without `--endpoint`",
            )),
        }
    }

    /// An image as it was named, in the region meant.
    pub(crate) fn at(&self, image: &str) -> ImageAt {
        ImageAt { image: image.to_owned(), region: self.region.clone() }
    }
}
