//! Printing (floor 7): results to standard output, problems to standard error, or all of it as JSON, one object a line.

use serde_json::{Value, json};
use std::io::Write;

/// Where a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    pub(super) json: bool,
    pub(super) quiet: bool,
}

impl Out {
    pub(super) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Bytes of a result. Whoever closed the pipe does not want the rest.
    #[expect(clippy::unused_self, reason = "printing is for who was given an `Out`")]
    pub(super) fn bytes(self, bytes: &[u8]) {
        let mut stdout = std::io::stdout().lock();
        let _closed = stdout.write_all(bytes).and_then(|()| stdout.flush());
    }

    /// A line of a result.
    pub(super) fn line(self, text: &str) {
        self.bytes(format!("{text}\n").as_bytes());
    }

    /// A result in both forms; without JSON and with `--quiet` nothing.
    pub(super) fn summary(self, text: &str, value: &Value) {
        if self.json {
            self.line(&value.to_string());
        } else if !self.quiet {
            self.line(text);
        }
    }

    /// What ended a command.
    pub(super) fn error(self, message: &str) {
        if self.json {
            self.line(&json!({ "type": "error", "message": message }).to_string());
        }
        stderr(&format!("backup: {message}"));
    }
}

/// A line to standard error.
pub(super) fn stderr(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
