//! What things may be called and what words there are, at the borders of each rule and with the code
//! each breach of it has.

use event::Refusal;

use crate::image::DiskKind;
use crate::machine::{Architecture, BootMode, Imds, LicenseType, MachineAsked, Nvme, OsType, SecureBoot};
use crate::{machine, name};

/// Asks a rule about texts that will do and texts that will not.
fn check(rule: impl Fn(&str) -> Result<(), Refusal>, refused: &str, good: &[&str], bad: &[&str]) {
    for text in good {
        assert_eq!(rule(text), Ok(()), "{text:?}");
    }
    for text in bad {
        assert_eq!(rule(text).expect_err(text).code, refused, "{text:?}");
    }
}

fn chars(count: usize) -> String {
    // Wide letters: characters are counted, not bytes.
    "镜".repeat(count)
}

#[test]
fn names_have_2_to_128_characters_and_begin_with_a_letter() {
    let (long, too_long) = (chars(128), chars(129));
    let good = ["ab", "a.", "Z9", "a:b_c-d.e", "镜像", "my-http://", "a-aliyun", &long];
    let bad = [
        "",
        "a",
        "9a",
        ":a",
        "_a",
        ".a",
        "-a",
        "a b",
        "a/b",
        "aé",
        "http://a",
        "https://a",
        "aliyun",
        "ALIYUN-1",
        "acs:a",
        &too_long,
    ];
    // A web address inside a name fails for its slashes.
    let good = &good.into_iter().filter(|name| !name.contains('/')).collect::<Vec<_>>();
    check(name::image_name, "InvalidImageName.Malformed", good, &bad);
    check(name::image_name, "InvalidImageName.Malformed", &[], &["my-http://x"]);
    check(name::family, "InvalidImageFamily.Malformed", good, &bad);
    check(name::family, "InvalidImageFamily.Malformed", &[], &["my-https://x", "acs:100000:web"]);
}

#[test]
fn descriptions_have_2_to_256_characters_or_none() {
    let (long, too_long) = (chars(256), chars(257));
    check(
        name::description,
        "InvalidDescription.Malformed",
        &["", "ab", "see http://x", &long],
        &["a", "http://x", "https://x", &too_long],
    );
}

#[test]
fn tags_have_keys_of_1_and_values_of_0_to_128_characters() {
    let (long, too_long) = (chars(128), chars(129));
    check(
        name::tag_key,
        "InvalidTagKey.Malformed",
        &["a", "env", "my-aliyun", &long],
        &["", "aliyun", "aliyun1", "acs:a", "http://a", "a-https://b", &too_long],
    );
    check(
        name::tag_value,
        "InvalidTagValue.Malformed",
        &["", "a", "aliyun", "my-acs:", &long],
        &["acs:a", "http://a", "a-https://b", &too_long],
    );
}

#[test]
fn snapshots_disks_and_accounts_have_names_of_2_to_128_characters_or_none() {
    let (long, too_long) = (chars(128), chars(129));
    let (good, bad) = (["", "ab", "1 b", &long], ["a", "http://a", "https://a", "a\nb", &too_long]);
    check(name::snapshot_name, "InvalidSnapshotName.Malformed", &good, &bad);
    check(name::snapshot_name, "InvalidSnapshotName.Malformed", &["my-auto"], &["auto", "auto2", "Auto-1"]);
    check(name::disk_name, "InvalidDiskName.Malformed", &good, &bad);
    check(name::disk_name, "InvalidDiskName.Malformed", &["auto"], &[]);
    check(name::account_name, "InvalidAccountName.Malformed", &good, &bad);
}

#[test]
fn devices_are_xvda_for_the_system_and_xvdb_to_xvdz_for_data() {
    let of = |kind| move |device: &str| name::device(device, kind);
    let code = "InvalidDevice.Malformed";
    check(of(DiskKind::System), code, &["/dev/xvda", "/dev/vda"], &["", "/dev/xvdb", "xvda", "/dev/sda"]);
    check(
        of(DiskKind::Data),
        code,
        &["/dev/xvdb", "/dev/xvdz", "/dev/vdb"],
        &["", "/dev/xvda", "/dev/xvdA", "/dev/xvdaa", "/dev/xvd", "/dev/sdb", "/dev/xvd1"],
    );
}

#[test]
fn every_word_of_the_api_is_known_and_no_other() {
    let any = |parse: fn(&str) -> bool, words: &[&str]| words.iter().all(|word| parse(word));
    assert!(any(|word| Architecture::parse(word).is_ok(), &["i386", "x86_64", "arm64", "ARM64"]));
    assert!(any(|word| OsType::parse(word).is_ok(), &["windows", "linux"]));
    assert!(any(|word| BootMode::parse(word).is_ok(), &["BIOS", "UEFI", "UEFI-Preferred"]));
    assert!(any(|word| LicenseType::parse(word).is_ok(), &["Auto", "Aliyun", "BYOL"]));
    assert!(any(|word| Imds::parse(word).is_ok(), &["v1", "v2"]));
    assert!(any(|word| Nvme::parse(word).is_ok(), &["supported", "unsupported"]));
    assert!(any(|word| SecureBoot::parse(word).is_ok(), &["supported", "unsupported"]));
    for (refusal, code) in [
        (Architecture::parse("x86").err(), "InvalidArchitecture.Malformed"),
        (OsType::parse("").err(), "InvalidOSType.Malformed"),
        (BootMode::parse("CD").err(), "InvalidBootMode.NotSupport"),
        (LicenseType::parse("MIT").err(), "InvalidLicenseType.NotSupported"),
        (Imds::parse("v3").err(), "InvalidParameter.FeaturesImdsSupport"),
        (Nvme::parse("auto").err(), "InvalidParameter.NvmeSupport"),
        (SecureBoot::parse("required").err(), "InvalidParameter"),
    ] {
        assert_eq!(refusal.map(|refusal| refusal.code).as_deref(), Some(code));
    }
}

#[test]
fn every_platform_of_the_api_is_known_and_of_its_kind_of_system() {
    for platform in machine::PLATFORMS.into_iter().chain([machine::OTHER_WINDOWS]) {
        let asked = MachineAsked { platform: Some(platform.to_lowercase()), ..MachineAsked::default() };
        let machine = asked.resolve().unwrap();
        assert_eq!(machine.platform, platform, "in any case of letters");
        assert_eq!(machine.os_type == OsType::Windows, platform.contains("Windows"), "{platform}");
        let kinds = [OsType::Linux, OsType::Windows].map(|os_type| {
            let (os_type, platform) = (Some(os_type), Some(platform.to_owned()));
            MachineAsked { os_type, platform, ..MachineAsked::default() }.resolve().is_ok()
        });
        assert_eq!(kinds[0], !kinds[1], "{platform} is of one kind");
    }
    assert_eq!(machine::platform_named("Plan 9").unwrap_err().code, "InvalidPlatform.Malformed");
}

#[test]
fn each_processor_boots_as_it_can() {
    let all = [BootMode::Bios, BootMode::Uefi, BootMode::UefiPreferred];
    for boot_mode in all {
        for architecture in [Architecture::I386, Architecture::X8664] {
            assert_eq!(machine::check_boot_mode(architecture, boot_mode), Ok(()));
        }
        let arm = machine::check_boot_mode(Architecture::Arm64, boot_mode);
        let code = arm.err().map(|refusal| refusal.code);
        let wanted = (boot_mode != BootMode::Uefi).then_some("InvalidBootMode.NotSupport");
        assert_eq!(code.as_deref(), wanted, "{}", boot_mode.word());
    }
}

#[test]
fn the_metadata_service_is_hardened_and_never_softened() {
    for (from, to, code) in [
        (Imds::V1, Imds::V1, None),
        (Imds::V1, Imds::V2, None),
        (Imds::V2, Imds::V2, None),
        (Imds::V2, Imds::V1, Some("InvalidOperation.FeaturesImdsSupportNotMatch")),
    ] {
        let answer = machine::check_imds(from, to).err().map(|refusal| refusal.code);
        assert_eq!(answer.as_deref(), code, "{} to {}", from.word(), to.word());
    }
}
