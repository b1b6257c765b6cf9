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
    pub(crate) fn new() -> Self {
        Self::of("tests/judge.py")
    }

    /// As `new`, of another script that answers such questions; by the first Python that has what it needs.
    pub(crate) fn of(script: &str) -> Self {
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
        command.arg("-B").arg(root.join(script)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the judge starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { input, output: BufReader::new(output), _child: child }
    }

    /// The answer, whatever it is.
    pub(crate) fn answer(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").expect("the judge listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the judge answers");
        serde_json::from_str(&line).expect("the judge answers in JSON")
    }

    /// The answer, or why not.
    pub(crate) fn ask(&mut self, question: &Value) -> Result<Value, String> {
        let answer = self.answer(question);
        assert_ne!(answer["error"], true, "a question that can't be judged: {question}: {answer}");
        if answer["ok"] == true {
            Ok(answer)
        } else {
            Err(format!("{}: {}", question["op"], answer["why"].as_str().unwrap_or("no reason")))
        }
    }
}
