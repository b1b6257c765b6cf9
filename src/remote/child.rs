//! A program that we started and talk to (floor 5): its end, and what it says on standard error.

use crate::path::shown;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines kept for messages.
const KEPT: usize = 5;
/// Bytes of a line that are shown.
const LINE_MAX: usize = 4 << 10;
/// So often it is looked whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);
/// After its end, so long its last words are waited for. (A program that it left running may hold its standard error open.)
const LAST_WORDS: Duration = Duration::from_millis(500);
/// A line is told so much later: it may be the reason of a failure that is told in a moment, and is not said twice.
const HOLD: Duration = Duration::from_millis(200);
/// How a `backup` begins its lines.
const OURS: &str = "backup: ";

/// Receives each line, escaped.
pub(super) type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// A running program. Whoever starts one ends it: [`Process::end`].
pub(super) struct Process {
    child: Mutex<Child>,
    words: Arc<Words>,
}

/// What the program says.
#[derive(Default)]
struct Words {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    /// Lines that were not told yet.
    untold: VecDeque<String>,
    /// That was all.
    is_all: bool,
    /// Somebody else tells them.
    is_taken: bool,
}

impl Process {
    /// Starts a program with pipes on all three ends. `tell` is called from a thread.
    pub(super) fn start(command: &mut Command, tell: Tell) -> io::Result<(Self, ChildStdin, ChildStdout)> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Self { child: Mutex::new(child), words: Arc::default() };
        let (Some(input), Some(output), Some(errors)) = pipes else {
            process.kill();
            return Err(io::Error::other("no pipe"));
        };
        let tell = Arc::new(tell);
        let (heard, told, telling) = (Arc::clone(&process.words), Arc::clone(&process.words), Arc::clone(&tell));
        let begin = || {
            let named = |name: &str| thread::Builder::new().name(name.to_owned());
            named("far-tell").spawn(move || told.tell(&telling))?;
            named("far-words").spawn(move || heard.listen(errors, &tell))
        };
        if let Err(error) = begin() {
            process.words.all();
            process.kill();
            return Err(error);
        }
        Ok((process, input, output))
    }

    /// Waits at most so long for its end.
    pub(super) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            // An error means that there is no such child any more.
            let ended = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().unwrap_or(None);
            if ended.is_some() || begun.elapsed() >= limit {
                return ended;
            }
            thread::sleep(LOOK.min(limit));
        }
    }

    /// Kills it and waits for its end, if it has not ended.
    pub(super) fn kill(&self) {
        // It fails where it has ended already.
        let _ended = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        self.wait(Duration::from_secs(1));
    }

    /// Calls `hang_up` until that is done, gives the program so long to end by itself, then kills it.
    pub(super) fn end(&self, hang_up: impl Fn() -> bool, grace: Duration) {
        let begun = Instant::now();
        while !hang_up() && begun.elapsed() < grace && self.wait(LOOK).is_none() {}
        if self.wait(grace.saturating_sub(begun.elapsed())).is_none() {
            self.kill();
        }
        let is_due = |said: &mut Said| !said.is_taken && !said.untold.is_empty();
        drop(self.words.changed.wait_timeout_while(self.words.said(), LAST_WORDS, is_due));
    }

    /// The last lines it said, in one. They are not told any more. Waits a little for them if it has ended.
    pub(super) fn last_words(&self) -> String {
        let mut said = self.words.said();
        said.is_taken = true;
        let heard = self.words.changed.wait_timeout_while(said, LAST_WORDS, |said| !said.is_all);
        let said = heard.unwrap_or_else(PoisonError::into_inner).0;
        said.untold.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

impl Words {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, from: impl Read, tell: &Tell) {
        let mut from = BufReader::new(from);
        while let Ok(Some(line)) = next_line(&mut from) {
            let line = line.strip_prefix(OURS).unwrap_or(&line);
            if !line.is_empty() {
                self.keep(line.to_owned(), tell);
            }
        }
        self.all();
    }

    fn keep(&self, line: String, tell: &Tell) {
        let mut said = self.said();
        if said.untold.len() >= KEPT
            && let Some(oldest) = said.untold.pop_front()
        {
            tell(&oldest);
        }
        said.untold.push_back(line);
        drop(said);
        self.changed.notify_all();
    }

    fn all(&self) {
        self.said().is_all = true;
        self.changed.notify_all();
    }

    /// Tells what is not taken, a little later, until that was all.
    fn tell(&self, tell: &Tell) {
        let mut said = self.said();
        while !(said.is_taken || said.is_all && said.untold.is_empty()) {
            let nothing_new = |said: &mut Said| said.untold.is_empty() && !said.is_all && !said.is_taken;
            said = self.changed.wait_while(said, nothing_new).unwrap_or_else(PoisonError::into_inner);
            let held = self.changed.wait_timeout_while(said, HOLD, |said| !said.is_taken);
            said = held.unwrap_or_else(PoisonError::into_inner).0;
            if !said.is_taken {
                said.untold.drain(..).for_each(|line| tell(&line));
                self.changed.notify_all();
            }
        }
    }
}

/// The next line without its end, escaped; what is too much of it is dropped.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let limit = u64::try_from(LINE_MAX).unwrap_or_default();
        let mut part = Vec::new();
        let count = from.by_ref().take(limit).read_until(b'\n', &mut part)?;
        if line.is_empty() {
            line.clone_from(&part);
        }
        if count == 0 || part.ends_with(b"\n") {
            let end = count == 0 && line.is_empty();
            return Ok(if end { None } else { Some(shown(line.trim_ascii_end())) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_MAX, next_line};

    #[test]
    fn a_line_is_cut_and_escaped_and_the_next_one_is_whole() {
        let text = [&b"a\x1b[2Jb\r\n\n"[..], &b"x".repeat(3 * LINE_MAX), b"\nlast"].concat();
        let mut from = text.as_slice();
        let mut next = || next_line(&mut from).unwrap();
        assert_eq!(next().as_deref(), Some("a\\x1b[2Jb"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().unwrap().len(), LINE_MAX);
        assert_eq!(next().as_deref(), Some("last"));
        assert_eq!(next(), None);
    }
}
