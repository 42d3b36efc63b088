//! Kiln's own requests as a user sends them whose policies are narrow: whoever may make schedules has nothing started
//! by one that they may not start themselves.

use std::process::{Command, Output};

use crate::client::Client;
use crate::program::kiln;
use crate::server::Server;

/// Schedules and disks, and nothing else.
const NARROW: &str = r#"{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*",
    "Action": ["kiln:schedule-create", "kiln:schedule-show", "kiln:workflow-*", "kiln:disk-create"]}]}"#;

/// A command that asks the server with a key of its own.
fn elsewhere(client: &Client, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(arguments).args(["--endpoint", &format!("http://{}", client.at)]);
    command.env("KILN_ACCESS_KEY_ID", &client.key).env("KILN_ACCESS_KEY_SECRET", &client.secret);
    command.output().unwrap()
}

/// A parameter that was written twice, in two ways, once left nothing to judge: what was dropped of it was dropped
/// after the policies had been asked, and the ticker started the rest as the account.
pub fn a_schedule_starts_nothing_that_whoever_makes_it_may_not_start() {
    let server = Server::start(&[]);
    let document = std::env::temp_dir().join(format!("kiln-narrow-{}.json", std::process::id()));
    std::fs::write(&document, NARROW).unwrap();
    let create = ["policy", "create", "narrow", "--document", document.to_str().unwrap()];
    server.answer(&["user", "create", "narrow"]);
    server.answer(&create);
    std::fs::remove_file(&document).unwrap();
    server.answer(&["policy", "attach", "narrow", "--user", "narrow"]);
    let key = server.answer(&["key", "create", "--user", "narrow"]);
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    let narrow = Client { at: server.client.at, key: text("AccessKeyId"), secret: text("AccessKeySecret") };

    let schedule = |name: &str, operation: &[&str]| {
        let words = ["schedule", "create", name, "at 2999-01-01T00:00"];
        elsewhere(&narrow, &[&words[..], operation].concat())
    };
    let may = schedule("may", &["disk.create", "size=20GiB"]);
    assert!(may.status.success(), "{}", String::from_utf8_lossy(&may.stderr));
    let twice = "given twice";
    for (operation, code) in [
        (&["image.delete", "image=web-1"][..], "kiln:image-delete"),
        (&["image.delete", "image=web-1", "Image=web-1"], twice),
        (&["disk.create", "size=20GiB", "tag:env=a", "Tag:env=b"], "the same key has two values"),
        (&["image.export", "image=web-1", "to=/etc/x", "To=/etc/x"], twice),
        (&["image.export", "image=web-1", "to=/etc/x"], "a file of the server's computer"),
        (&["image.import", "file=/etc/shadow", "name=x"], "a file of the server's computer"),
    ] {
        let no = schedule("no", operation);
        let told = String::from_utf8_lossy(&no.stderr);
        assert!(!no.status.success() && told.contains(code), "{operation:?}: {told}");
    }
    // Nor does the account itself name a file of the server's computer, however it is written.
    for file in [&["to=/x"][..], &["to=/x", "TO=/x"]] {
        let words = ["schedule", "create", "no", "at 2999-01-01T00:00", "image.export", "image=web-1"];
        let no = elsewhere(&server.client, &[&words[..], file].concat());
        assert!(!no.status.success(), "{file:?}");
    }
    let kept = kiln(server.data()).args(["--account", &server.account, "schedule", "list"]).output().unwrap();
    let kept = String::from_utf8_lossy(&kept.stdout).into_owned();
    assert!(kept.contains("may") && !kept.contains("image."), "{kept}");
    server.end();
}
