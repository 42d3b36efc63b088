//! A data directory that is served, and the client that speaks for its first account.

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::program::{Serving, answer, kiln};

/// A data directory with two accounts, and the process that serves it.
pub struct Server {
    // Ended before its directory goes.
    serving: Serving,
    dir: TempDir,
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
        let serving = Serving::start(dir.path(), &arguments);
        let client = Client {
            at: serving.at.parse().unwrap(),
            key: text(&first, "AccessKeyId"),
            secret: text(&first, "AccessKeySecret"),
        };
        let (account, other) = (text(&first, "AccountId"), text(&second, "AccountId"));
        Self { serving, dir, client, account, other, arguments }
    }

    /// Kills the process as the kernel does when memory is out, and waits until it is gone.
    pub fn kill(&mut self) {
        self.serving.kill();
    }

    /// Serves the same directory again, on another port.
    pub fn restart(&mut self) {
        self.serving = Serving::start(self.dir.path(), &self.arguments);
        self.client.at = self.serving.at.parse().unwrap();
    }

    /// What a command answers in JSON, as the first account.
    pub fn answer(&self, arguments: &[&str]) -> Value {
        answer(self.dir.path(), &[&["--account", &self.account], arguments].concat())
    }

    /// Where its data is.
    pub fn data(&self) -> &std::path::Path {
        self.dir.path()
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
    pub fn end(self) {
        self.serving.end();
    }
}
