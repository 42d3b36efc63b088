//! The real program: its commands, and a process of it that serves. Only processes started here are ever ended.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A process that serves a data directory, ended with the test.
pub struct Serving {
    process: Child,
    /// Where it listens.
    pub at: String,
}

impl Serving {
    pub fn start<S: AsRef<std::ffi::OsStr>>(data: &Path, arguments: &[S]) -> Self {
        let mut command = kiln(data);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let at = line.trim().strip_prefix("listening on ").expect("it says where it listens").to_owned();
        Self { process, at }
    }

    /// Kills it as the kernel does when memory is out, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(status.code(), None, "it was killed and did not end by itself: {status}");
    }

    /// Ends it as an operator does; it has to end well.
    pub fn end(mut self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the server ended with {status}");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that a failed test left behind; one that ended is not there any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command on a data directory.
pub fn kiln(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.arg("--data").arg(data).env_remove("KILN_ENDPOINT");
    command
}

/// What a command answers in JSON.
pub fn answer(data: &Path, arguments: &[&str]) -> Value {
    let output = kiln(data).args(arguments).args(["--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
