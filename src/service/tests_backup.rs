//! Backups from within: what cannot be brought about from outside at the right moment.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tests::{ask, close, open, wiring};
use crate::{
    BackupAsked, BackupMade, Family, Request, RestoreAsked, RestoreMade, Service, When, local_actor, restore,
};

async fn back_up(service: &Arc<Service>, to: &Path) -> BackupMade {
    let to = to.to_str().unwrap().to_owned();
    let asked = BackupAsked { to, reuse: None, log_only: false };
    ask(service, &local_actor(), "backup", Request::Backup(asked)).await.unwrap()
}

/// Restores a backup, changed as `backup.json` may be.
async fn restored(place: &TempDir, backup: &Path, change: impl FnOnce(&mut Value)) -> RestoreMade {
    let manifest = backup.join("backup.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(&manifest, value.to_string()).unwrap();
    let asked = RestoreAsked { backup: backup.to_owned(), to: place.path().join("again"), at: When::Now };
    restore(&wiring(), asked).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_came_while_a_backup_began_is_not_silently_left_out() {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    let dir = place.path().join("late");
    std::fs::create_dir(&dir).unwrap();
    // The stores were looked up before the region was there.
    let late = service.write(&dir, "late", None, Some(Vec::new())).await.unwrap_err();
    assert_eq!((late.family, late.code.as_str()), (Family::World, "Backup.Busy"));
    assert!(late.message.contains("`cn-hangzhou` was added"), "{late}");
    let made = back_up(&service, &place.path().join("whole")).await;
    assert_eq!(made.regions, ["cn-hangzhou"]);
    close(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_store_is_not_in_the_backup_is_told_as_missing() {
    let place = tempfile::tempdir().unwrap();
    let service = open(&place).await;
    let backup = place.path().join("one");
    back_up(&service, &backup).await;
    close(service).await;
    let made = restored(&place, &backup, |manifest| manifest["stores"] = json!([])).await;
    assert_eq!((made.missing, made.regions), (vec!["cn-hangzhou: its store".to_owned()], Vec::new()));
}
