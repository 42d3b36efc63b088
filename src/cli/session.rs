//! What every command has at hand: the data directory, the screen, the region meant.

use domain::RegionId;
use service::{House, ImageAt, Reply, Request, Trouble};

use crate::exit::Stop;
use crate::screen::Screen;

/// One run of the program.
pub(crate) struct Session {
    pub(crate) house: House,
    pub(crate) screen: Screen,
    pub(crate) region: Option<RegionId>,
}

impl Session {
    /// Asks, and takes the answer as what it has to be.
    pub(crate) async fn ask<T: TryFrom<Reply, Error = Trouble>>(&self, request: Request) -> Result<T, Stop> {
        Ok(self.house.ask(request).await?)
    }

    /// An image as it was named, in the region meant.
    pub(crate) fn at(&self, image: &str) -> ImageAt {
        ImageAt { image: image.to_owned(), region: self.region.clone() }
    }
}
