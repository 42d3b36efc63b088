//! What an image says of the machine it wants and of the system on it. The words and rules are those of the ECS API
//! (section 2 of its reference); nothing here looks at a disk.

use event::Refusal;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(
        $(#[$doc:meta])*
        $name:ident $code:literal $what:literal { $($(#[$case_doc:meta])* $case:ident $word:literal,)* }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            pub enum $name {
                $(
                    $(#[$case_doc])*
                    #[serde(rename = $word)]
                    $case,
                )*
            }

            impl $name {
                /// All there are, as the API writes them.
                pub const WORDS: &'static [&'static str] = &[$($word),*];

                /// The word for it.
                pub fn word(self) -> &'static str {
                    match self {
                        $(Self::$case => $word,)*
                    }
                }

                /// From the word for it, in any case of letters.
                pub fn parse(word: &str) -> Result<Self, Refusal> {
                    $(
                        if word.eq_ignore_ascii_case($word) {
                            return Ok(Self::$case);
                        }
                    )*
                    let why = format!(concat!("`{}` is no ", $what), word.escape_debug());
                    Err(Refusal::new($code, why).advise(format!("choose one of {}", Self::WORDS.join(", "))))
                }
            }
        )*
    };
}

words! {
    /// What the processor is.
    Architecture "InvalidArchitecture.Malformed" "architecture" {
        /// 32-bit x86.
        I386 "i386",
        /// 64-bit x86.
        X8664 "x86_64",
        /// 64-bit Arm; boots by UEFI only.
        Arm64 "arm64",
    }
    /// What kind of system it is.
    OsType "InvalidOSType.Malformed" "kind of operating system" {
        /// Linux, and whatever is not Windows.
        Linux "linux",
        /// Windows.
        Windows "windows",
    }
    /// How it boots.
    BootMode "InvalidBootMode.NotSupport" "boot mode" {
        /// From the boot sector.
        Bios "BIOS",
        /// From the EFI system partition.
        Uefi "UEFI",
        /// Either; UEFI where the machine has it.
        UefiPreferred "UEFI-Preferred",
    }
    /// Who holds the licence of a Windows system.
    LicenseType "InvalidLicenseType.NotSupported" "type of licence" {
        /// Whatever fits.
        Auto "Auto",
        /// The cloud.
        Aliyun "Aliyun",
        /// Its owner.
        Byol "BYOL",
    }
    /// Which versions of the metadata service its instances answer to.
    Imds "InvalidParameter.FeaturesImdsSupport" "version of the metadata service" {
        /// Both.
        V1 "v1",
        /// The hardened one only; never taken back.
        V2 "v2",
    }
    /// Whether it has a driver for NVMe disks.
    Nvme "InvalidParameter.NvmeSupport" "answer to whether NVMe is supported" {
        /// It has.
        Supported "supported",
        /// It has not, or nobody knows.
        Unsupported "unsupported",
    }
    /// Whether its boot loader is signed, so that a machine may insist on that.
    SecureBoot "InvalidParameter" "answer to whether secure boot is supported" {
        /// It is.
        Supported "supported",
        /// It is not, or nobody knows.
        Unsupported "unsupported",
    }
}

/// The platforms the API knows, as a request names them. The four with Windows in their names need
/// [`OsType::Windows`].
pub const PLATFORMS: [&str; 26] = [
    "Aliyun",
    "Anolis",
    "CentOS",
    "Ubuntu",
    "CoreOS",
    "SUSE",
    "Debian",
    "OpenSUSE",
    "FreeBSD",
    "RedHat",
    "Kylin",
    "UOS",
    "Fedora",
    "Fedora CoreOS",
    "CentOS Stream",
    "AlmaLinux",
    "Rocky Linux",
    "Gentoo",
    "Customized Linux",
    "Others Linux",
    "Windows Server 2022",
    "Windows Server 2019",
    "Windows Server 2016",
    "Windows Server 2012",
    "Windows Server 2008",
    "Windows Server 2003",
];
/// What an import may be beside those.
pub const OTHER_WINDOWS: &str = "Other Windows";

/// The machine an image wants, and the system on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its processor.
    pub architecture: Architecture,
    /// Its kind of system.
    pub os_type: OsType,
    /// Its distribution, one of [`PLATFORMS`] or [`OTHER_WINDOWS`].
    pub platform: String,
    /// How it boots.
    pub boot_mode: BootMode,
    /// Its licence.
    pub license_type: LicenseType,
    /// Its metadata service.
    pub imds: Imds,
    /// Whether it has a driver for NVMe disks.
    pub nvme: Nvme,
    /// Whether it boots securely. Not written where it does not: so the rows and events of images that are
    /// older than the word stay as they are.
    #[serde(default = "not_secure", skip_serializing_if = "is_not_secure")]
    pub secure_boot: SecureBoot,
}

fn not_secure() -> SecureBoot {
    SecureBoot::Unsupported
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_not_secure(secure_boot: &SecureBoot) -> bool {
    *secure_boot == SecureBoot::Unsupported
}

/// What a request says of the machine; the rest is filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineAsked {
    /// Its processor.
    pub architecture: Option<Architecture>,
    /// Its kind of system.
    pub os_type: Option<OsType>,
    /// Its distribution.
    pub platform: Option<String>,
    /// How it boots.
    pub boot_mode: Option<BootMode>,
    /// Its licence.
    pub license_type: Option<LicenseType>,
    /// Its metadata service.
    pub imds: Option<Imds>,
    /// Whether it has a driver for NVMe disks.
    pub nvme: Option<Nvme>,
    /// Whether it boots securely.
    pub secure_boot: Option<SecureBoot>,
}

impl Default for Machine {
    fn default() -> Self {
        MachineAsked::default().resolve().expect("what nobody asked for contradicts nothing")
    }
}

impl MachineAsked {
    /// Fills in what was not asked for, and refuses what contradicts itself: `arm64` boots by UEFI only, Windows
    /// platforms are of the kind `windows`, only Windows has a licence to bring, and only UEFI boots securely.
    pub fn resolve(self) -> Result<Machine, Refusal> {
        let architecture = self.architecture.unwrap_or(Architecture::X8664);
        let platform = self.platform.as_deref().map(platform_named).transpose()?;
        let of_windows = |platform: &str| platform.contains("Windows");
        let os_type = self.os_type.unwrap_or(match platform {
            Some(platform) if of_windows(platform) => OsType::Windows,
            _ => OsType::Linux,
        });
        let platform = platform.unwrap_or(match os_type {
            OsType::Linux => "Others Linux",
            OsType::Windows => OTHER_WINDOWS,
        });
        if of_windows(platform) != (os_type == OsType::Windows) {
            let why = format!("the platform `{platform}` is not of the kind `{}`", os_type.word());
            return Err(Refusal::new("InvalidPlatform.Malformed", why)
                .advise("leave one of the two out, it follows from the other"));
        }
        if architecture == Architecture::Arm64 && os_type == OsType::Windows {
            let why = format!("there is no `{platform}` for `arm64`");
            return Err(Refusal::new("InvalidArchitecture.PlatformUnsupported", why));
        }
        let boot_mode = self.boot_mode.unwrap_or(match architecture {
            Architecture::Arm64 => BootMode::Uefi,
            _ => BootMode::Bios,
        });
        check_boot_mode(architecture, boot_mode)?;
        let secure_boot = self.secure_boot.unwrap_or(SecureBoot::Unsupported);
        check_secure_boot(boot_mode, secure_boot)?;
        let license_type = self.license_type.unwrap_or(LicenseType::Auto);
        if license_type == LicenseType::Byol && os_type != OsType::Windows {
            let why = format!("the platform `{platform}` has no licence to bring along");
            return Err(Refusal::new("InvalidLicenseType.NotSupported", why)
                .advise("`BYOL` is for Windows; leave the type of licence out"));
        }
        Ok(Machine {
            architecture,
            os_type,
            platform: platform.to_owned(),
            boot_mode,
            license_type,
            imds: self.imds.unwrap_or(Imds::V1),
            nvme: self.nvme.unwrap_or(Nvme::Unsupported),
            secure_boot,
        })
    }
}

/// The platform of that name, in any case of letters, as the API writes it.
pub fn platform_named(name: &str) -> Result<&'static str, Refusal> {
    let known = PLATFORMS.into_iter().chain([OTHER_WINDOWS]);
    known.into_iter().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let why = format!("`{}` is no platform", name.escape_debug());
        Refusal::new("InvalidPlatform.Malformed", why)
            .advise("for a system that is not on the list: `Others Linux` or `Other Windows`")
    })
}

/// Whether a processor boots that way.
pub fn check_boot_mode(architecture: Architecture, boot_mode: BootMode) -> Result<(), Refusal> {
    if architecture == Architecture::Arm64 && boot_mode != BootMode::Uefi {
        let why = format!("`arm64` does not boot by `{}`", boot_mode.word());
        return Err(Refusal::new("InvalidBootMode.NotSupport", why).advise("its boot mode is UEFI"));
    }
    Ok(())
}

/// Whether an image that boots that way may boot securely: it is the firmware of UEFI that checks signatures.
pub fn check_secure_boot(boot_mode: BootMode, secure_boot: SecureBoot) -> Result<(), Refusal> {
    if secure_boot == SecureBoot::Supported && boot_mode == BootMode::Bios {
        let why = "an image that boots by `BIOS` does not boot securely";
        return Err(Refusal::new("InvalidParameter", why)
            .advise("say `UEFI` or `UEFI-Preferred` for its boot mode, or `unsupported` for secure boot"));
    }
    Ok(())
}

/// Whether an image may change its metadata service so: what is hardened stays so.
pub fn check_imds(from: Imds, to: Imds) -> Result<(), Refusal> {
    if from == Imds::V2 && to == Imds::V1 {
        let why = "an image whose instances answer to `v2` only is not opened to `v1` again";
        return Err(Refusal::new("InvalidOperation.FeaturesImdsSupportNotMatch", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut MachineAsked)) -> Result<Machine, String> {
        let mut asked = MachineAsked::default();
        change(&mut asked);
        asked.resolve().map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_is_not_asked_for_is_filled_in_as_the_api_says() {
        let plain = asked(|_| {}).unwrap();
        assert_eq!((plain.platform.as_str(), plain.boot_mode), ("Others Linux", BootMode::Bios));
        let arm = asked(|asked| asked.architecture = Some(Architecture::Arm64)).unwrap();
        assert_eq!(arm.boot_mode, BootMode::Uefi);
        let windows = asked(|asked| asked.os_type = Some(OsType::Windows)).unwrap();
        assert_eq!(windows.platform, OTHER_WINDOWS);
        let by_name = asked(|asked| asked.platform = Some("windows server 2019".to_owned())).unwrap();
        assert_eq!((by_name.os_type, by_name.platform.as_str()), (OsType::Windows, "Windows Server 2019"));
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_the_code_of_the_api() {
        let arm = Some(Architecture::Arm64);
        let bios = asked(|asked| (asked.architecture, asked.boot_mode) = (arm, Some(BootMode::Bios)));
        assert_eq!(bios, Err("InvalidBootMode.NotSupport".to_owned()));
        let windows = asked(|asked| (asked.architecture, asked.os_type) = (arm, Some(OsType::Windows)));
        assert_eq!(windows, Err("InvalidArchitecture.PlatformUnsupported".to_owned()));
        let clash = asked(|asked| {
            asked.platform = Some("Debian".to_owned());
            asked.os_type = Some(OsType::Windows);
        });
        assert_eq!(clash, Err("InvalidPlatform.Malformed".to_owned()));
        let unknown = asked(|asked| asked.platform = Some("Plan 9".to_owned()));
        assert_eq!(unknown, Err("InvalidPlatform.Malformed".to_owned()));
        let byol = asked(|asked| asked.license_type = Some(LicenseType::Byol));
        assert_eq!(byol, Err("InvalidLicenseType.NotSupported".to_owned()));
        let secure = asked(|asked| asked.secure_boot = Some(SecureBoot::Supported));
        assert_eq!(secure, Err("InvalidParameter".to_owned()), "the boot mode is BIOS then");
        assert_eq!(
            check_imds(Imds::V2, Imds::V1).unwrap_err().code,
            "InvalidOperation.FeaturesImdsSupportNotMatch"
        );
        assert_eq!(check_imds(Imds::V1, Imds::V2), Ok(()));
    }

    /// What a log of before the word was known holds: read, and written again, it is the same bytes.
    #[test]
    fn a_machine_from_before_secure_boot_is_read_and_written_as_it_was() {
        #[derive(Serialize)]
        struct Before {
            architecture: &'static str,
            os_type: &'static str,
            platform: &'static str,
            boot_mode: &'static str,
            license_type: &'static str,
            imds: &'static str,
            nvme: &'static str,
        }
        let before = Before {
            architecture: "x86_64",
            os_type: "linux",
            platform: "Debian",
            boot_mode: "UEFI",
            license_type: "Auto",
            imds: "v1",
            nvme: "supported",
        };
        for encode in [rmp_serde::to_vec_named::<Before>, rmp_serde::to_vec] {
            let stored = encode(&before).unwrap();
            let machine: Machine = rmp_serde::from_slice(&stored).unwrap();
            assert_eq!((machine.nvme, machine.secure_boot), (Nvme::Supported, SecureBoot::Unsupported));
            let again = [rmp_serde::to_vec_named(&machine).unwrap(), rmp_serde::to_vec(&machine).unwrap()];
            assert!(again.contains(&stored));
        }
        let secure = Machine { secure_boot: SecureBoot::Supported, ..Machine::default() };
        let stored = rmp_serde::to_vec_named(&secure).unwrap();
        assert_eq!(rmp_serde::from_slice::<Machine>(&stored).unwrap(), secure);
    }

    #[test]
    fn words_are_read_in_any_case_and_refused_with_those_there_are() {
        assert_eq!(BootMode::parse("uefi-preferred"), Ok(BootMode::UefiPreferred));
        let refusal = Architecture::parse("sparc").unwrap_err();
        assert_eq!(refusal.code, "InvalidArchitecture.Malformed");
        assert_eq!(refusal.advice, "choose one of i386, x86_64, arm64");
    }
}
