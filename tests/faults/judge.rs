//! The judge, `tests/judge.py`, as a process of its own: one question a line.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

#[derive(Debug)]
pub(crate) struct Judge {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

impl Judge {
    /// The first Python that has what the judge needs.
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        let own = root.join(target).join("venv/bin/python3").to_string_lossy().into_owned();
        let fits = |python: &&str| {
            let tried = Command::new(python).args(["-c", "import blake3, zstandard"]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        };
        let python = ["python3", &own].into_iter().find(fits).map(str::to_owned);
        let python = python.expect("a Python with blake3 and zstandard: tests/run makes one in target/venv");
        let mut command = Command::new(python);
        command.arg("-B").arg(root.join("tests/judge.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the judge starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { input, output: BufReader::new(output), _child: child }
    }

    /// The answer, or why not.
    pub(crate) fn ask(&mut self, question: &Value) -> Result<Value, String> {
        writeln!(self.input, "{question}").expect("the judge listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the judge answers");
        let answer: Value = serde_json::from_str(&line).expect("the judge answers in JSON");
        assert_ne!(answer["error"], true, "a question that can't be judged: {question}: {answer}");
        if answer["ok"] == true {
            Ok(answer)
        } else {
            Err(format!("{}: {}", question["op"], answer["why"].as_str().unwrap_or("no reason")))
        }
    }
}
