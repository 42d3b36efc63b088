//! `ModifyImageAttribute`: several attributes at once, all or none; what is empty stays as it is.

use domain::events::Attributes;
use domain::machine::{BootMode, Imds, LicenseType, Nvme};
use service::Request;
use wire::{Fault, Object};

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let (params, features) = (&ask.params, ask.params.object("Features"));
    let deprecated = match params.text("Status") {
        None => None,
        Some("Deprecated") => Some(true),
        Some("Available") => Some(false),
        Some(other) => {
            let why = format!(
                "The specified Status `{}` is not valid: use `Deprecated` or `Available`.",
                other.escape_debug()
            );
            return Err(Fault::new(400, "InvalidParameter", why));
        }
    };
    let to = Attributes {
        name: params.string("ImageName"),
        description: params.string("Description"),
        family: params.string("ImageFamily"),
        deprecated,
        boot_mode: ask.word(params, "BootMode", BootMode::parse)?,
        license_type: ask.word(params, "LicenseType", LicenseType::parse)?,
        imds: ask.word(&features, "ImdsSupport", Imds::parse)?,
        nvme: ask.word(&features, "NvmeSupport", Nvme::parse)?,
        ..Attributes::default()
    };
    if to == Attributes::default() {
        // Nothing to change is no change; whether the image is there is told all the same.
        let _: service::ImageView = ask.look(Request::ImageShow(at)).await?;
        return ask.read_only(Object::new());
    }
    ask.finish(Request::ImageModify { at, to }).await?;
    Ok(Object::new())
}
