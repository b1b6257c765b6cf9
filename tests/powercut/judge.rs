//! The judge: tests/judge.py, which shares no code with the program, at the other end of two pipes.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What is wrong, or nothing.
pub(crate) type Verdict = Result<(), String>;

/// The listing of a tree that has nothing in it.
pub(crate) const NOTHING: &str = "nothing";

#[derive(Debug)]
pub(crate) struct Judge {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The Python that tests/run gave its packages, else whatever is in the path.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_backup")).ancestors().nth(2);
    target.map(|t| t.join("venv/bin/python3")).filter(|p| p.exists()).unwrap_or_else(|| "python3".into())
}

impl Judge {
    pub(crate) fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge.py");
        let mut command = Command::new(python());
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("python3 cannot be started: {e}"));
        let (ask, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut judge = Self { child, ask, answers };
        let answer = judge.question(&json!({ "op": "remember", "name": NOTHING, "tree": "/", "dirs": [] }));
        assert!(answer["count"] == json!(0), "{answer}");
        judge
    }

    fn question(&mut self, question: &Value) -> Value {
        writeln!(self.ask, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(
            !line.is_empty(),
            "the judge died; it needs the Python packages blake3 and zstandard: tests/run gets them"
        );
        serde_json::from_str(&line).unwrap()
    }

    /// A question that it could not judge is no verdict, and ends the harness.
    fn verdict(&mut self, question: &Value) -> Verdict {
        let answer = self.question(question);
        if answer["ok"] == json!(true) {
            return Ok(());
        }
        Err(format!("{}: {}", question["op"].as_str().unwrap_or(""), answer["why"].as_str().unwrap_or("?")))
    }

    pub(crate) fn remember(&mut self, name: &str, tree: &Path) {
        let asked = json!({ "op": "remember", "name": name, "tree": tree, "dirs": ["d"] });
        let answer = self.question(&asked);
        assert!(answer["ok"] == json!(true) && answer["count"].as_u64() > Some(10), "{asked}: {answer}");
    }

    pub(crate) fn tree(&mut self, tree: &Path, equals: &str) -> Verdict {
        self.verdict(&json!({ "op": "tree", "tree": tree, "dirs": ["d"], "equals": equals }))
    }

    pub(crate) fn mixture(&mut self, tree: &Path, of: &[&str]) -> Verdict {
        self.verdict(&json!({ "op": "mixture", "tree": tree, "dirs": ["d"], "of": of }))
    }

    pub(crate) fn snapshot(&mut self, store: &Path, sequence: u64, equals: &str) -> Verdict {
        let verdict =
            self.verdict(&json!({ "op": "snapshot", "store": store, "sequence": sequence, "equals": equals }));
        verdict.map_err(|why| format!("snapshot {sequence}: {why}"))
    }

    pub(crate) fn kept(&mut self, of: &[&str], tree: &Path, store: &Path) -> Verdict {
        self.verdict(&json!({ "op": "kept", "of": of, "trees": [tree], "stores": [store] }))
    }

    pub(crate) fn verify(&mut self, store: &Path) -> Verdict {
        self.verdict(&json!({ "op": "verify", "store": store }))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _unheeded: Result<(), _> = self.child.kill();
        let _unheeded: Result<_, _> = self.child.wait();
    }
}
