//! The official clients, unmodified, against the real program: `kiln serve` on a fresh data directory with two
//! accounts, and a script of `tests/clients/` that drives it.
//!
//! `cargo xtask test` installs the clients and says by `KILN_TEST_PYTHON` where they are.

#![expect(unreachable_pub, reason = "what the modules of a test offer, they offer to it")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

#[path = "wire/program.rs"]
#[expect(dead_code, reason = "written for the rude tests, which also kill")]
mod program;
#[path = "clients/relay.rs"]
mod relay;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use program::{Serving, answer};
use relay::Relay;
use serde_json::Value;
use tempfile::TempDir;

/// A server with two accounts, ended with the test.
struct Server {
    // Ended before its directory goes.
    serving: Serving,
    dir: TempDir,
    accounts: [Value; 2],
    /// The key of a user of the first account, who may look at everything and change nothing.
    reader: Value,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-clients-").tempdir().unwrap();
        let accounts = ["first", "second"].map(|name| answer(dir.path(), &["account", "create", name]));
        let first = ["--account", accounts[0]["AccountId"].as_str().unwrap()];
        let by_first = |arguments: &[&str]| answer(dir.path(), &[&first, arguments].concat());
        by_first(&["user", "create", "reader"]);
        for policy in ["AliyunOSSReadOnlyAccess", "AliyunECSReadOnlyAccess"] {
            by_first(&["policy", "attach", policy, "--user", "reader"]);
        }
        let reader = by_first(&["key", "create", "--user", "reader"]);
        let serving = Serving::start::<&str>(dir.path(), &[]);
        Self { serving, dir, accounts, reader }
    }

    /// A client script, told where the server is and whose keys there are.
    fn script(&self, name: &str) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let mut command = Command::new(python());
        command
            .arg(scripts.join(name))
            .env("KILN_ENDPOINT", &self.serving.at)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let of = |whose: &Value, field: &str| whose[field].as_str().expect("it is told whole").to_owned();
        for (number, account) in self.accounts.iter().enumerate() {
            for (variable, field) in
                [("ACCOUNT", "AccountId"), ("KEY", "AccessKeyId"), ("SECRET", "AccessKeySecret")]
            {
                command.env(format!("KILN_{variable}_{}", number + 1), of(account, field));
            }
        }
        command.env("OSS_ENDPOINT", format!("http://{}", self.serving.at));
        command.env("KILN_PROGRAM", env!("CARGO_BIN_EXE_kiln"));
        let keys =
            [("OSS", &self.accounts[0]), ("OSS_OTHER", &self.accounts[1]), ("OSS_READER", &self.reader)];
        for (prefix, key) in keys {
            command.env(format!("{prefix}_KEY_ID"), of(key, "AccessKeyId"));
            command.env(format!("{prefix}_KEY_SECRET"), of(key, "AccessKeySecret"));
        }
        command
    }

    /// A command of the first account that asks at an address, as if the server were elsewhere.
    fn elsewhere(&self, at: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command.args(arguments).args(["--endpoint", &format!("http://{at}")]);
        let key = &self.accounts[0];
        command.env("KILN_ACCESS_KEY_ID", key["AccessKeyId"].as_str().unwrap());
        command.env("KILN_ACCESS_KEY_SECRET", key["AccessKeySecret"].as_str().unwrap());
        command.output().unwrap()
    }

    /// Ends the server as an operator does; it has to end well.
    fn end(self) {
        self.serving.end();
        let verified = answer(self.dir.path(), &["audit", "verify"]);
        assert!(verified["Events"].as_u64().unwrap_or_default() > 0, "{verified}");
    }
}

/// The interpreter that has the clients. Where nobody installed them the test fails: a green run means that all
/// of it ran.
fn python() -> PathBuf {
    let path = std::env::var_os("KILN_TEST_PYTHON");
    path.map(PathBuf::from)
        .expect("KILN_TEST_PYTHON says where the official clients are: run `cargo xtask test`")
}

fn drive(script: &str) {
    let server = Server::start();
    let output = server.script(script).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}:\n{said}{wrong}");
    server.end();
}

#[test]
fn the_newer_clients_drive_the_whole_life_of_an_image() {
    drive("ecs_v2.py");
}

#[test]
fn the_older_clients_drive_it_as_well() {
    drive("ecs_v1.py");
}

#[test]
fn the_clients_of_buckets_put_get_list_and_remove_objects() {
    drive("oss_life.py");
}

#[test]
fn the_clients_of_the_other_cloud_s_buckets_find_the_same_objects() {
    drive("s3_life.py");
}

#[test]
fn clients_of_others_and_of_a_narrow_user_get_nothing_they_may_not() {
    drive("access.py");
}

/// How long answers take decides nothing here, but is told: `STRANGER_TIMES=400 cargo nextest run -p kiln --test
/// clients what_strangers_are_told --no-capture`, on a machine that does nothing else.
#[test]
fn what_strangers_are_told_of_what_is_there_is_what_they_are_told_of_what_is_not() {
    let server = Server::start();
    let mut script = server.script("stranger_times.py");
    if std::env::var_os("STRANGER_TIMES").is_none() {
        script.env("STRANGER_TIMES", "10");
    }
    assert!(script.status().unwrap().success());
    server.end();
}

#[test]
fn the_clients_of_access_management_make_users_and_act_as_roles() {
    drive("ram.py");
}

#[test]
fn every_error_of_the_reference_that_a_client_can_provoke_has_its_code_and_status() {
    drive("errors.py");
}

/// The command line is a client as well. The name has no word of those that need the official ones.
#[test]
fn a_file_of_this_computer_goes_to_a_server_elsewhere_and_comes_back() {
    let server = Server::start();
    let place = tempfile::tempdir().unwrap();
    let (disk, back) = (place.path().join("disk.raw"), place.path().join("back.raw"));
    let bytes = some_bytes(20);
    std::fs::write(&disk, &bytes).unwrap();
    let elsewhere = |arguments: &[&str]| {
        let output = server.elsewhere(&server.serving.at, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    elsewhere(&["image", "import", disk.to_str().unwrap(), "--name", "far"]);
    elsewhere(&["image", "export", "far", "--to", back.to_str().unwrap(), "--format", "raw"]);
    assert!(std::fs::read(&back).unwrap() == bytes, "the same bytes come back");
    let bucket = format!("kiln-transfer-{}-cn-hangzhou", server.accounts[0]["AccountId"].as_str().unwrap());
    assert_eq!(elsewhere(&["bucket", "ls", &bucket]), "", "nothing is left on the way");
    elsewhere(&["bucket", "put", disk.to_str().unwrap(), &format!("{bucket}/x")]);
    let url = elsewhere(&["bucket", "sign", &format!("{bucket}/x")]);
    assert!(url.starts_with(&format!("http://{}/{bucket}/x?OSSAccessKeyId=", server.serving.at)), "{url}");
    server.end();
}

/// An upload that the line cut goes on with the parts that had not come; only then the image is made.
#[test]
fn an_import_to_a_server_elsewhere_that_was_cut_off_goes_on_where_it_was() {
    const MIB: u64 = 1 << 20;
    // Four parts of 16 MiB, of which the line lets one through and a half.
    let (size_mib, cut_mib, part_mib) = (64, 24, 16);
    let server = Server::start();
    let place = tempfile::tempdir().unwrap();
    let (disk, back) = (place.path().join("disk.raw"), place.path().join("back.raw"));
    let bytes = some_bytes(size_mib);
    std::fs::write(&disk, &bytes).unwrap();
    let import = ["image", "import", disk.to_str().unwrap(), "--name", "far"];
    let run = |up_max: u64| {
        let relay = Relay::start(&server.serving.at, up_max);
        (server.elsewhere(&relay.at.to_string(), &import), relay.up())
    };
    let (cut, _) = run(cut_mib * MIB);
    assert!(!cut.status.success(), "the line was cut");
    let images = server.elsewhere(&server.serving.at, &["image", "list", "--output", "json"]);
    assert!(!String::from_utf8_lossy(&images.stdout).contains("\"far\""), "there is no half an image");
    let (whole, up) = run(u64::MAX);
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let most = (size_mib - part_mib + 1) * MIB;
    assert!(up <= most, "{} MiB went up again, though a part was there", up / MIB);
    let export = ["image", "export", "far", "--to", back.to_str().unwrap(), "--format", "raw"];
    assert!(server.elsewhere(&server.serving.at, &export).status.success());
    assert!(std::fs::read(&back).unwrap() == bytes, "the same bytes come back");
    server.end();
}

/// So many MiB that repeat nowhere near.
fn some_bytes(mib: u64) -> Vec<u8> {
    let words = 0..u32::try_from(mib << 20).unwrap();
    words.map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
