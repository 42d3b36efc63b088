//! The official clients, unmodified, against the real program: `kiln serve` on a fresh data directory with two accounts, and a
//! script of `tests/clients/` that drives it.
//!
//! `cargo xtask test` installs the clients and says by `KILN_TEST_PYTHON` where they are.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A server with two accounts, ended with the test.
struct Server {
    dir: TempDir,
    process: Child,
    at: String,
    accounts: [Value; 2],
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-clients-").tempdir().unwrap();
        let accounts = ["first", "second"].map(|name| answer(dir.path(), &["account", "create", name]));
        let mut process = kiln(dir.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Self { dir, process, at, accounts }
    }

    /// A client script, told where the server is and whose keys there are.
    fn script(&self, name: &str) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let mut command = Command::new(python());
        command.arg(scripts.join(name)).env("KILN_ENDPOINT", &self.at).env("PYTHONDONTWRITEBYTECODE", "1");
        for (number, account) in self.accounts.iter().enumerate() {
            for (variable, field) in
                [("ACCOUNT", "AccountId"), ("KEY", "AccessKeyId"), ("SECRET", "AccessKeySecret")]
            {
                let value = account[field].as_str().expect("the account is told whole");
                command.env(format!("KILN_{variable}_{}", number + 1), value);
            }
        }
        command
    }

    /// Ends the server as an operator does; it has to end well.
    fn end(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
        let verified = answer(self.dir.path(), &["audit", "verify"]);
        assert!(verified["Events"].as_u64().unwrap_or_default() > 0, "{verified}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that a failed test left behind; one that ended is not there any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn kiln(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.arg("--data").arg(data).env_remove("KILN_ENDPOINT");
    command
}

/// What a command answers in JSON.
fn answer(data: &Path, arguments: &[&str]) -> Value {
    let output = kiln(data).args(arguments).args(["--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The interpreter that has the clients. Where nobody installed them the test fails: a green run means that all of it ran.
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
