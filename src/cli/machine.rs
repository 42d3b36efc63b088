//! What is said of the machine an image wants, in the words of the ECS API.

use clap::Args;
use domain::machine::{Architecture, BootMode, Imds, LicenseType, MachineAsked, Nvme, OsType, SecureBoot};
use event::Refusal;
use service::Trouble;

use crate::exit::Stop;

/// The heading of these options.
const HEADING: &str = "The machine it wants";

/// Options of whatever makes an image. Words are read by the domain, so that a wrong one is refused
/// with its code like everything else.
#[derive(Debug, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct MachineArgs {
    /// Its processor: `i386`, `x86_64` or `arm64` [default: `x86_64`]
    #[arg(long, value_name = "WORD")]
    architecture: Option<String>,
    /// Its kind of system: linux or windows [default: linux]
    #[arg(long, value_name = "WORD")]
    os_type: Option<String>,
    /// Its distribution: Debian, Ubuntu, 'Windows Server 2022' … [default: Others Linux]
    #[arg(long, value_name = "NAME")]
    platform: Option<String>,
    /// How it boots: BIOS, UEFI or UEFI-Preferred [default: BIOS, for arm64 UEFI]
    #[arg(long, value_name = "WORD")]
    boot_mode: Option<String>,
    /// Who holds its Windows licence: Auto, Aliyun or BYOL [default: Auto]
    #[arg(long, value_name = "WORD")]
    license_type: Option<String>,
    /// The metadata service its instances answer to: v1 (both) or v2 only [default: v1]
    #[arg(long, value_name = "WORD")]
    imds: Option<String>,
    /// Whether it has a driver for `NVMe` disks: `supported` or `unsupported` [default: unsupported]
    #[arg(long, value_name = "WORD")]
    nvme: Option<String>,
    /// Whether it boots securely, which is by UEFI: `supported` or `unsupported` [default: unsupported]
    #[arg(long, value_name = "WORD")]
    secure_boot: Option<String>,
}

impl MachineArgs {
    /// What is said, with its words read.
    pub(crate) fn asked(self) -> Result<MachineAsked, Stop> {
        Ok(MachineAsked {
            architecture: word(self.architecture.as_deref(), Architecture::parse)?,
            os_type: word(self.os_type.as_deref(), OsType::parse)?,
            platform: self.platform,
            boot_mode: word(self.boot_mode.as_deref(), BootMode::parse)?,
            license_type: word(self.license_type.as_deref(), LicenseType::parse)?,
            imds: word(self.imds.as_deref(), Imds::parse)?,
            nvme: word(self.nvme.as_deref(), Nvme::parse)?,
            secure_boot: word(self.secure_boot.as_deref(), SecureBoot::parse)?,
        })
    }
}

/// A word, read, if it was said.
pub(crate) fn word<T>(
    said: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<Option<T>, Stop> {
    said.map(read).transpose().map_err(|refusal| Stop::Trouble(Trouble::from(refusal)))
}
