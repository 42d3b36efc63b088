//! Words that several actions read, and refuse in the same way.

use domain::RegionId;
use domain::machine::{Architecture, BootMode, Imds, LicenseType, MachineAsked, Nvme, OsType, SecureBoot};
use domain::port::Format;
use event::Refusal;
use service::{Family, ImageAt, Trouble};
use wire::{Fault, Params};

use crate::ask::Ask;
use crate::codes::fault;

/// Bytes of a GiB, in which the API counts sizes.
pub(crate) const GIB: u64 = 1 << 30;

/// Languages that names of places may be asked for in, as the API documents.
const LANGUAGES: [&str; 7] = ["zh-CN", "zh-TW", "en-US", "ja", "fr", "de", "ko"];

/// What an image may be wanted for, those of older times among them.
const ACTIONS: [&str; 5] = ["CreateEcs", "ChangeOS", "Upgrade", "Downgrade", "RenewDowngrade"];

impl Ask {
    /// Refuses what no image is wanted for. Each here does for all of it.
    pub(crate) fn check_action_type(&self) -> Result<(), Fault> {
        let action = self.params.text("ActionType");
        let Some(action) = action.filter(|action| !ACTIONS.contains(action)) else { return Ok(()) };
        let why = format!("The specified ActionType is not valid: `{}`.", action.escape_debug());
        Err(self.refuse("InvalidParamter", why))
    }

    /// Refuses a language that nobody knows. What is here has the same name in all of them.
    pub(crate) fn check_language(&self) -> Result<(), Fault> {
        let language = self.params.text("AcceptLanguage");
        let Some(language) = language.filter(|language| !LANGUAGES.contains(language)) else { return Ok(()) };
        let why = format!("The specified AcceptLanguage is not found: `{}`.", language.escape_debug());
        Err(self.refuse("InvalidAcceptLanguage.NotFound", why))
    }

    /// A fault of the caller, with the status this action gives to its code.
    pub(crate) fn refuse(&self, code: &str, why: impl Into<String>) -> Fault {
        fault(self.action, Trouble::new(Family::Refused, code, why))
    }

    /// What a rule of the domain refuses, as this action tells it.
    pub(crate) fn refused(&self, refusal: Refusal) -> Fault {
        fault(self.action, refusal.into())
    }

    /// A word, if it was said.
    pub(crate) fn word<T>(
        &self,
        params: &Params,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<Option<T>, Fault> {
        params.text(name).map(read).transpose().map_err(|refusal| self.refused(refusal))
    }

    /// The image that the parameter `ImageId` names. On the wire a name is none: an id is what it says.
    pub(crate) fn image_at(&self, region: &RegionId) -> Result<ImageAt, Fault> {
        let named = self.params.need("ImageId")?;
        if !is_id(named, "m-") {
            return Err(self.no_image(named));
        }
        Ok(ImageAt { image: named.to_owned(), region: Some(region.clone()) })
    }

    /// There is no such image.
    pub(crate) fn no_image(&self, named: &str) -> Fault {
        let why = format!("The specified ImageId does not exist: `{}`.", named.escape_debug());
        self.refuse("InvalidImageId.NotFound", why)
    }

    /// What is said of the machine an image wants. The features stand in objects of their own.
    pub(crate) fn machine(&self) -> Result<MachineAsked, Fault> {
        let (params, features) = (&self.params, self.params.object("Features"));
        Ok(MachineAsked {
            architecture: self.word(params, "Architecture", Architecture::parse)?,
            os_type: self.word(params, "OSType", OsType::parse)?,
            platform: params.string("Platform"),
            boot_mode: self.word(params, "BootMode", BootMode::parse)?,
            license_type: self.word(params, "LicenseType", LicenseType::parse)?,
            imds: self.word(&features, "ImdsSupport", Imds::parse)?,
            nvme: self.word(&features, "NvmeSupport", Nvme::parse)?,
            secure_boot: self.word(
                &params.object("SecureBootOptions"),
                "SecureBootSupport",
                SecureBoot::parse,
            )?,
        })
    }

    /// Whether the image is to be checked.
    pub(crate) fn wants_check(&self) -> Result<bool, Fault> {
        match self.params.text("DetectionStrategy") {
            None => Ok(false),
            Some("Standard") => Ok(true),
            Some(other) => {
                let why = format!(
                    "The specified DetectionStrategy `{}` is not valid: the only one is `Standard`.",
                    other.escape_debug()
                );
                Err(self.refuse("InvalidParameter.DetectionStrategy", why))
            }
        }
    }

    /// A format of disks, in any case; none to find it out.
    pub(crate) fn format(&self, word: Option<&str>) -> Result<Option<Format>, Fault> {
        let Some(word) = word else { return Ok(None) };
        let known = [("raw", Format::Raw), ("qcow2", Format::Qcow2), ("vhd", Format::Vhd)];
        if let Some((_, format)) = known.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)) {
            return Ok(Some(*format));
        }
        let rest = ["vmdk", "vdi"].iter().any(|known| word.eq_ignore_ascii_case(known));
        let code =
            if rest { "InvalidImageFormat.RegionNotSupported" } else { "InvalidImageFormat.Malformed" };
        let why = format!("The format `{}` is not supported: use RAW, QCOW2 or VHD.", word.escape_debug());
        Err(self.refuse(code, why))
    }

    /// A size in GiB, in bytes.
    pub(crate) fn size(&self, params: &Params, name: &str) -> Result<Option<u64>, Fault> {
        let Some(size) = params.number(name)? else { return Ok(None) };
        let bytes = u64::try_from(size).ok().and_then(|size| size.checked_mul(GIB));
        bytes.map(Some).ok_or_else(|| {
            self.refuse("InvalidParameter", format!("The specified {name} is not valid: `{size}`."))
        })
    }

    /// Tags that something new gets: a value that was not said is empty. A key that comes twice is refused.
    pub(crate) fn new_tags(&self, twice: &str) -> Result<std::collections::BTreeMap<String, String>, Fault> {
        let mut tags = std::collections::BTreeMap::new();
        for (key, value) in self.params.tags("Tag") {
            if tags.insert(key.clone(), value.unwrap_or_default()).is_some() {
                return Err(self.refuse(twice, format!("The tag key `{}` comes twice.", key.escape_debug())));
            }
        }
        Ok(tags)
    }

    /// Tags that resources get: a value that was not said is empty, and the service sees to the rest.
    pub(crate) fn tags_to_set(&self) -> Result<Vec<(String, String)>, Fault> {
        let tags = self.params.tags("Tag").into_iter();
        let set: Vec<_> = tags.map(|(key, value)| (key, value.unwrap_or_default())).collect();
        if set.is_empty() {
            return Err(self.no_tags("The parameter Tag.N is missing."));
        }
        Ok(set)
    }

    /// Tags to look for: a value that was not said is any.
    pub(crate) fn wanted_tags(&self) -> Result<Vec<(String, Option<String>)>, Fault> {
        let tags = self.params.tags("Tag");
        match tags.iter().find(|(key, _)| key.is_empty()) {
            Some(_) => Err(self.refuse(
                "InvalidTag.Mismatch",
                "The specified Tag.n.Key and Tag.n.Value do not match: a value needs its key.",
            )),
            None => Ok(tags),
        }
    }
}

/// Whether a text is an id of some kind: its prefix and 20 lower-case letters and digits.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    rest.len() == 20 && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}
