//! The real program serving a data directory; only processes started here are ever ended.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;

/// A data directory with two accounts, and the process that serves it.
pub struct Server {
    dir: TempDir,
    process: Child,
    /// Speaks for the first account.
    pub client: Client,
    pub account: String,
    /// Another account, to share with.
    pub other: String,
    arguments: Vec<String>,
}

impl Server {
    /// Starts a server with arguments of its own.
    pub fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("kiln-wire-").tempdir().unwrap();
        let [first, second] =
            ["first", "second"].map(|name| answer(dir.path(), &["account", "create", name]));
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (process, at) = serve(dir.path(), &arguments);
        let client = Client {
            at: at.parse().unwrap(),
            key: text(&first, "AccessKeyId"),
            secret: text(&first, "AccessKeySecret"),
        };
        let (account, other) = (text(&first, "AccountId"), text(&second, "AccountId"));
        Self { dir, process, client, account, other, arguments }
    }

    /// Kills the process as the kernel does when memory is out, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.code(), None, "it was killed and did not end by itself: {status}");
    }

    /// Serves the same directory again, on another port.
    pub fn restart(&mut self) {
        let (process, at) = serve(self.dir.path(), &self.arguments);
        self.process = process;
        self.client.at = at.parse().unwrap();
    }

    /// What a command answers in JSON, as the first account.
    pub fn answer(&self, arguments: &[&str]) -> Value {
        answer(self.dir.path(), &[&["--account", &self.account], arguments].concat())
    }

    /// Waits until nothing is under way.
    pub fn let_end(&self) {
        let watch = ["--account", &self.account, "workflow", "watch"];
        let output = kiln(self.dir.path()).args(watch).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let open = self.answer(&["workflow", "list", "--open"]);
        assert_eq!(open["Workflows"], serde_json::json!([]), "operations neither ended nor go on");
    }

    /// What a command answers in JSON, as the operator.
    pub fn operator(&self, arguments: &[&str]) -> Value {
        answer(self.dir.path(), arguments)
    }

    /// Whether it answers a signed request as if nothing were.
    pub fn check_serves(&self) {
        let regions = self.client.call("DescribeRegions", &[]);
        assert_eq!(regions["Regions"]["Region"].as_array().map(Vec::len), Some(2), "{regions}");
    }

    /// Ends it as an operator does; it has to end well.
    pub fn end(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that a failed test left behind; one that ended is not there any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(data: &Path, arguments: &[String]) -> (Child, String) {
    let mut command = kiln(data);
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
    let mut process = command.spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let at = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
    (process, at)
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
