//! Printing (floor 7): results to standard output, problems to standard error, or all of it as JSON, one object a line.

use super::screen;
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
        screen::aside(|| {
            let mut stdout = std::io::stdout().lock();
            let _closed = stdout.write_all(bytes).and_then(|()| stdout.flush());
        });
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
        self.fault(&json!({ "type": "error", "message": message }), message);
    }

    /// What ended the run of one target of several; the message names it, too.
    pub(super) fn error_of(self, target: &str, message: &str) {
        self.fault(&json!({ "type": "error", "target": target, "message": message }), message);
    }

    fn fault(self, value: &Value, message: &str) {
        if self.json {
            self.line(&value.to_string());
        }
        stderr(&format!("backup: {message}"));
    }
}

/// A line to standard error, or a few that belong together.
pub(super) fn stderr(text: &str) {
    let line = format!("{text}\n");
    screen::aside(|| {
        let _closed = std::io::stderr().lock().write_all(line.as_bytes());
    });
}
