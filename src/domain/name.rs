//! What things may be called. The rules and codes are those of the ECS API.

use event::Refusal;

/// Image names, families: 2 to 128 characters.
pub const NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=128;
/// Descriptions: 2 to 256 characters, or none.
pub const DESCRIPTION_CHARS: std::ops::RangeInclusive<usize> = 2..=256;
/// Tag keys and values: at most 128 characters.
pub const TAG_CHARS_MAX: usize = 128;
/// Tags an image may have.
pub const TAGS_MAX: usize = 20;

/// Bucket names: 3 to 63 characters.
pub const BUCKET_CHARS: std::ops::RangeInclusive<usize> = 3..=63;
/// Object keys: 1 to 1023 bytes of UTF-8.
pub const OBJECT_KEY_BYTES: std::ops::RangeInclusive<usize> = 1..=1023;
/// Prefixes of exported objects: 1 to 30 characters.
pub const EXPORT_PREFIX_CHARS: std::ops::RangeInclusive<usize> = 1..=30;

/// What the keys of the system's own tags begin with; nobody else sets them or takes them off.
pub const SYSTEM_TAGS: &str = "acs:";

const WEB: [&str; 2] = ["http://", "https://"];
const RESERVED: [&str; 2] = ["aliyun", "acs:"];

/// Checks an image name.
pub fn image_name(name: &str) -> Result<(), Refusal> {
    named("image name", "InvalidImageName.Malformed", name)
}

/// Checks the name of an image family.
pub fn family(name: &str) -> Result<(), Refusal> {
    named("image family", "InvalidImageFamily.Malformed", name)?;
    if WEB.iter().any(|web| name.contains(web)) {
        let why = format!("the image family `{name}` holds a web address");
        return Err(Refusal::new("InvalidImageFamily.Malformed", why));
    }
    Ok(())
}

fn named(what: &str, code: &str, name: &str) -> Result<(), Refusal> {
    let shape = "2 to 128 letters, digits and `:` `_` `-` `.`, beginning with a letter";
    let no = |why: String| Err(Refusal::new(code, why).advise(format!("an {what} is {shape}")));
    let count = name.chars().count();
    if !NAME_CHARS.contains(&count) {
        let length = if count < *NAME_CHARS.start() { "too short" } else { "too long" };
        return no(format!("the {what} `{}` is {length}: {count} of 2 to 128", shown(name)));
    }
    if WEB.iter().chain(&RESERVED).any(|prefix| name.to_lowercase().starts_with(prefix)) {
        return no(format!("the {what} `{name}` begins with a reserved word"));
    }
    if !name.starts_with(is_letter) {
        return no(format!("the {what} `{}` does not begin with a letter", shown(name)));
    }
    let stranger = name.chars().find(|&c| !(is_letter(c) || c.is_ascii_digit() || ":_-.".contains(c)));
    match stranger {
        Some(c) => no(format!("the {what} `{}` holds the character `{}`", shown(name), c.escape_default())),
        None => Ok(()),
    }
}

/// A Latin letter, or one of the CJK unified ideographs.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || ('\u{4e00}'..='\u{9fff}').contains(&c)
        || ('\u{3400}'..='\u{4dbf}').contains(&c)
}

/// A text that may be long or hold control characters, as it can be printed.
fn shown(text: &str) -> String {
    text.chars().take(*NAME_CHARS.end()).flat_map(char::escape_debug).collect()
}

/// Checks a description; an empty one means none.
pub fn description(text: &str) -> Result<(), Refusal> {
    let code = "InvalidDescription.Malformed";
    let count = text.chars().count();
    if count > 0 && !DESCRIPTION_CHARS.contains(&count) {
        let why = format!("the description has {count} characters");
        return Err(Refusal::new(code, why).advise("a description has 2 to 256 characters, or none"));
    }
    if WEB.iter().any(|web| text.starts_with(web)) {
        return Err(Refusal::new(code, "the description begins with a web address"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Refusal::new(code, "the description holds a control character"));
    }
    Ok(())
}

/// Checks a tag's key.
pub fn tag_key(key: &str) -> Result<(), Refusal> {
    let wrong = key.is_empty()
        || key.chars().count() > TAG_CHARS_MAX
        || RESERVED.iter().any(|prefix| key.starts_with(prefix))
        || WEB.iter().any(|web| key.contains(web))
        || key.chars().any(char::is_control);
    if !wrong {
        return Ok(());
    }
    let why = format!("`{}` is no tag key", shown(key));
    let advice = "a tag key has 1 to 128 characters and neither begins with `aliyun` or `acs:` nor holds a web address";
    Err(Refusal::new("InvalidTagKey.Malformed", why).advise(advice))
}

/// Checks a tag's value.
pub fn tag_value(value: &str) -> Result<(), Refusal> {
    let wrong = value.chars().count() > TAG_CHARS_MAX
        || value.starts_with("acs:")
        || WEB.iter().any(|web| value.contains(web))
        || value.chars().any(char::is_control);
    if !wrong {
        return Ok(());
    }
    let why = format!("`{}` is no tag value", shown(value));
    let advice =
        "a tag value has at most 128 characters and neither begins with `acs:` nor holds a web address";
    Err(Refusal::new("InvalidTagValue.Malformed", why).advise(advice))
}

/// Checks the name of a bucket.
pub fn bucket(name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let wrong = !BUCKET_CHARS.contains(&name.chars().count())
        || !name.chars().all(plain)
        || name.starts_with('-')
        || name.ends_with('-');
    if !wrong {
        return Ok(());
    }
    let why = format!("`{}` is no name of a bucket", shown(name));
    let advice = "a bucket's name has 3 to 63 lower-case letters, digits and `-`, and neither begins nor ends with `-`";
    Err(Refusal::new("InvalidOSSBucket.Malformed", why).advise(advice))
}

/// Checks the key of an object.
pub fn object_key(key: &str) -> Result<(), Refusal> {
    let wrong = !OBJECT_KEY_BYTES.contains(&key.len())
        || key.starts_with(['/', '\\'])
        || WEB.iter().any(|web| key.starts_with(web));
    if !wrong {
        return Ok(());
    }
    let why = format!("`{}` is no key of an object", shown(key));
    let advice = "a key has 1 to 1023 bytes and begins neither with `/` or `\\` nor with a web address";
    Err(Refusal::new("InvalidOSSObject.Malformed", why).advise(advice))
}

/// Checks the prefix of the objects that an export makes.
pub fn export_prefix(prefix: &str) -> Result<(), Refusal> {
    let count = prefix.chars().count();
    if EXPORT_PREFIX_CHARS.contains(&count) && prefix.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let why = format!("`{}` is no prefix for exported objects", shown(prefix));
    Err(Refusal::new("InvalidOSSPrefix.Malformed", why).advise("a prefix has 1 to 30 letters and digits"))
}

/// Checks the name of a snapshot; an empty one means none.
pub fn snapshot_name(name: &str) -> Result<(), Refusal> {
    resource_name("snapshot name", "InvalidSnapshotName.Malformed", &["auto"], name)
}

/// Checks the name of a disk; an empty one means none.
pub fn disk_name(name: &str) -> Result<(), Refusal> {
    resource_name("disk name", "InvalidDiskName.Malformed", &[], name)
}

/// Checks the name of a VPC, a vSwitch or an address, each of which has a code of its own for it.
pub fn network_name(what: &str, code: &str, name: &str) -> Result<(), Refusal> {
    resource_name(&format!("name of the {what}"), code, &[], name)
}

/// Checks the name of a security group or a key pair, which begins with a letter as well.
pub fn lettered_name(what: &str, code: &str, name: &str) -> Result<(), Refusal> {
    network_name(what, code, name)?;
    let first = name.chars().next();
    if first.is_some_and(is_letter) {
        return Ok(());
    }
    let why = format!("the name of the {what}, `{}`, does not begin with a letter", shown(name));
    Err(Refusal::new(code, why).advise("it has 2 to 128 characters and begins with a letter"))
}

/// Checks what an account is called.
pub fn account_name(name: &str) -> Result<(), Refusal> {
    resource_name("account name", "InvalidAccountName.Malformed", &[], name)
}

fn resource_name(what: &str, code: &str, reserved: &[&str], name: &str) -> Result<(), Refusal> {
    let no = |why: String| Err(Refusal::new(code, why).advise("it has 2 to 128 characters, or is left out"));
    let count = name.chars().count();
    if count > 0 && !NAME_CHARS.contains(&count) {
        return no(format!("the {what} has {count} characters"));
    }
    let lower = name.to_lowercase();
    if WEB.iter().chain(reserved).any(|prefix| lower.starts_with(prefix)) {
        return no(format!("the {what} `{}` begins with a reserved word", shown(name)));
    }
    if name.chars().any(char::is_control) {
        return no(format!("the {what} `{}` holds a control character", shown(name)));
    }
    Ok(())
}

/// Checks where an instance has a disk: the system disk is `/dev/xvda`, data disks are
/// `/dev/xvdb` to `/dev/xvdz`. `/dev/vd…` is taken as well, as samples of the API have it.
pub fn device(device: &str, kind: crate::image::DiskKind) -> Result<(), Refusal> {
    let letter = device.strip_prefix("/dev/xvd").or_else(|| device.strip_prefix("/dev/vd"));
    let fits = match kind {
        crate::image::DiskKind::System => letter == Some("a"),
        crate::image::DiskKind::Data => letter.is_some_and(|letter| {
            letter.len() == 1 && letter != "a" && letter.bytes().all(|byte| byte.is_ascii_lowercase())
        }),
    };
    if fits {
        return Ok(());
    }
    let why = format!("`{}` is no device of a {} disk", shown(device), kind.word());
    Err(Refusal::new("InvalidDevice.Malformed", why)
        .advise("the system disk is `/dev/xvda`, data disks are `/dev/xvdb` to `/dev/xvdz`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: impl Fn(&str) -> Result<(), Refusal>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule(text), Ok(()), "{text:?}");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn image_names_follow_the_rules_of_the_api() {
        let long = "a".repeat(128);
        let too_long = "a".repeat(129);
        check(
            image_name,
            &["ab", "web-1.2_x:y", "镜像", &long],
            &[
                "",
                "a",
                &too_long,
                "1ab",
                "-ab",
                "a b",
                "a/b",
                "a\0b",
                "http://ab",
                "Aliyun-x",
                "acs:x",
                "a\nb",
                "é1",
            ],
        );
    }

    #[test]
    fn families_hold_no_web_address_anywhere() {
        check(family, &["debian-12"], &["x-http://y", "aliyun", "acs:1:x"]);
    }

    #[test]
    fn descriptions_may_be_empty_but_not_one_character() {
        let too_long = "d".repeat(257);
        check(description, &["", "ok", "two\nlines"], &["x", &too_long, "https://x", "a\u{7}b"]);
    }

    #[test]
    fn tags_keep_clear_of_reserved_words() {
        check(tag_key, &["env", "团队"], &["", "acs:x", "aliyunx", "http://x", "a\0"]);
        check(tag_value, &["", "prod", "aliyun"], &["acs:x", "see https://x"]);
    }

    #[test]
    fn buckets_have_names_that_are_plain_everywhere() {
        let (long, too_long) = ("a".repeat(63), "a".repeat(64));
        check(
            bucket,
            &["abc", "my-bucket-1", "0-9", &long],
            &["", "ab", &too_long, "-abc", "abc-", "Abc", "a.b", "a/b", "../x", "a_b", "büro", "abc\n"],
        );
        assert_eq!(bucket("A").unwrap_err().code, "InvalidOSSBucket.Malformed");
    }

    #[test]
    fn object_keys_are_counted_in_bytes_and_begin_with_no_slash() {
        let (long, too_long) = ("k".repeat(1023), "k".repeat(1024));
        let (wide, too_wide) = ("镜".repeat(341), "镜".repeat(342));
        check(
            object_key,
            &[
                "a",
                "exports/web_system.raw.tar.gz",
                "a//b/",
                "..",
                ".x",
                "see http://x",
                "a\\b",
                &long,
                &wide,
            ],
            &["", &too_long, &too_wide, "/a", "\\a", "http://a", "https://a"],
        );
        assert_eq!(object_key("").unwrap_err().code, "InvalidOSSObject.Malformed");
    }

    #[test]
    fn export_prefixes_are_letters_and_digits() {
        let (long, too_long) = ("x".repeat(30), "x".repeat(31));
        check(export_prefix, &["a", "Web01", &long], &["", &too_long, "a-b", "a/b", "ä", "a "]);
        assert_eq!(export_prefix("").unwrap_err().code, "InvalidOSSPrefix.Malformed");
    }
}
