//! `kiln image show`: everything that is known of one image.

use service::{DetectionView, ImageDiskView, ImageView, Request, ShareView, bytes_text};

use crate::exit::Stop;
use crate::session::Session;
use crate::table::{Column, draw, facts};

/// Asks for an image and prints it.
pub(crate) async fn show(session: &Session, image: &str) -> Result<(), Stop> {
    let view: ImageView = session.ask(Request::ImageShow(session.at(image))).await?;
    session.screen.give(&view, |view| view_text(session, view));
    Ok(())
}

fn view_text(session: &Session, view: &ImageView) -> String {
    let mut text = facts(&session.screen, &facts_of(view));
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.extend(["\n", &session.screen.bold(title), "\n", &body]);
        }
    };
    if view.disks.len() > 1 {
        section("Disks", disks_text(session, &view.disks));
    }
    section("Shared with", shares_text(session, &view.shares));
    if let Some(detection) = &view.detection {
        section("Check", check_text(session, detection));
    }
    text
}

/// An image as lines of a name and a value.
pub(crate) fn facts_of(view: &ImageView) -> Vec<(&'static str, String)> {
    let family = match (view.image_family.as_str(), view.is_family_image) {
        ("", _) => String::new(),
        (family, true) => format!("{family} (stands for it)"),
        (family, false) => family.to_owned(),
    };
    let tags: Vec<_> = view.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let exact = |bytes: u64| format!("{} ({bytes} bytes)", bytes_text(bytes));
    let own = view.image_owner_alias == "self";
    let made_from = match (view.source_path.as_str(), view.copied_from.as_str()) {
        ("", "") => String::new(),
        ("", image) => format!("a copy of {image}"),
        (path, _) => format!("{path} ({})", view.source_format),
    };
    let busy = |count: u32| if count == 0 { String::new() } else { format!("{count} in progress") };
    vec![
        ("Image", view.image_id.clone()),
        ("Name", view.image_name.clone()),
        ("Family", family),
        ("Status", view.status.clone()),
        ("Description", view.description.clone()),
        ("Tags", tags.join(" ")),
        ("Owner", if own { String::new() } else { view.owner_id.clone() }),
        (
            "Public",
            if view.is_public { "yes, for everybody in the region".to_owned() } else { String::new() },
        ),
        ("Region", view.region_id.clone()),
        ("Created", view.creation_time.clone()),
        ("Machine", machine_text(view)),
        ("Disk", exact(view.disk_size_bytes)),
        ("Data", exact(view.data_bytes)),
        ("Added to store", if own { exact(view.stored_bytes) } else { String::new() }),
        ("Snapshot", view.snapshot_id.clone()),
        ("Content", view.content_root.clone()),
        ("Made from", made_from),
        ("Exports", busy(view.exports)),
        ("Copies", busy(view.copies)),
        ("Task", view.task_id.clone()),
    ]
}

fn machine_text(view: &ImageView) -> String {
    let mut words = vec![view.architecture.clone(), view.platform.clone(), view.boot_mode.clone()];
    if view.os_type == "windows" {
        words.push(format!("licence {}", view.license_type));
    }
    words.push(format!("metadata {}", view.imds_support));
    if view.nvme_support == "supported" {
        words.push("NVMe".to_owned());
    }
    if view.secure_boot_support == "supported" {
        words.push("secure boot".to_owned());
    }
    words.join(", ")
}

fn disks_text(session: &Session, disks: &[ImageDiskView]) -> String {
    let columns = [
        Column::Whole("DEVICE"),
        Column::Text("TYPE"),
        Column::Number("SIZE"),
        Column::Number("DATA"),
        Column::Whole("SNAPSHOT"),
        Column::Spare("FORMAT"),
        Column::Text("SOURCE"),
    ];
    let row = |disk: &ImageDiskView| {
        vec![
            disk.device.clone(),
            disk.r#type.clone(),
            bytes_text(disk.size_bytes),
            bytes_text(disk.data_bytes),
            disk.snapshot_id.clone(),
            disk.format.clone(),
            disk.source.clone(),
        ]
    };
    draw(&session.screen, &columns, &disks.iter().map(row).collect::<Vec<_>>())
}

fn shares_text(session: &Session, shares: &[ShareView]) -> String {
    if shares.is_empty() {
        return String::new();
    }
    let columns = [Column::Whole("ACCOUNT"), Column::Spare("SINCE"), Column::Text("UNTIL")];
    let row = |share: &ShareView| {
        let until = if share.until_time.is_empty() { "for ever" } else { &share.until_time };
        vec![share.account_id.clone(), share.shared_time.clone(), until.to_owned()]
    };
    draw(&session.screen, &columns, &shares.iter().map(row).collect::<Vec<_>>())
}

/// What a check found, a line an item, what is wrong at its end.
pub(crate) fn check_text(session: &Session, detection: &DetectionView) -> String {
    if detection.status != "Finished" {
        return "it is going on, or about to\n".to_owned();
    }
    let line = |item: &service::DetectionItem| {
        let risk = match item.risk_level.as_str() {
            "" => String::new(),
            level => format!(" ({} risk: {})", level.to_lowercase(), item.risk_code),
        };
        (item.name.trim_start_matches("GUESTOS.").to_owned(), format!("{}{risk}", item.value))
    };
    let lines: Vec<(String, String)> = detection.items.iter().map(line).collect();
    let lines: Vec<(&str, String)> =
        lines.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    facts(&session.screen, &lines)
}
