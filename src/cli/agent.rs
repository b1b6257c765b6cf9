//! `-agent`: the program on another host, started through ssh by that of the operator (floor 7). It speaks on standard input and output, and is not
//! meant for people.
//!
//! What must stay true: when the pipe ends, or the line is given up, it ends, within five seconds whatever it was doing; its locks go with it.

use super::args::AgentArgs;
use super::exit::Exit;
use super::{Failure, hosts};
use crate::ops::errand::Runner;
use crate::remote::Error;
use crate::remote::line::Options;
use crate::remote::policy::Policy;
use crate::remote::serve::serve;
use crate::remote::stdio;
use std::time::Duration;

/// After that, what was put has so long to become durable.
const GRACE: Duration = Duration::from_millis(4500);

pub(super) fn run(args: &AgentArgs) -> Result<Exit, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure { message: e.to_string(), exit: Exit::Failed };
    let policy = match &args.root {
        Some(root) => Policy::pinned(root, args.append_only).map_err(|e| failed(&e))?,
        None => Policy::open(),
    };
    watch()?;
    // Where nobody takes what is written any more, a write to the pipe hangs for as long as the kernel likes.
    let options = Options { kill: Box::new(end_soon), ..Options::default() };
    let line = match stdio::open(options) {
        Ok(line) => line,
        Err(e) => return lost(&e),
    };
    let runner = Runner { policy: &policy, tunnel: line.tunnel(), cache: hosts::cache() };
    match serve(&line.talk(), &policy, Some(&runner)) {
        Ok(()) => Ok(Exit::Done),
        Err(e) => lost(&e),
    }
}

fn lost(error: &Error) -> Result<Exit, Failure> {
    error.last_words().map_or(Ok(Exit::Failed), |message| Err(Failure { message, exit: Exit::Failed }))
}

/// Ends the process when nobody is at the other end any more.
fn watch() -> Result<(), Failure> {
    let wait = || {
        if stdio::hung_up().is_ok() {
            end_after_grace();
        }
    };
    let started = std::thread::Builder::new().name("watch".to_owned()).spawn(wait);
    started.map(drop).map_err(|e| Failure { message: format!("no thread can be started: {e}"), exit: Exit::Failed })
}

/// Ends the process after the grace, whatever it is doing.
fn end_soon() {
    if std::thread::Builder::new().name("end".to_owned()).spawn(end_after_grace).is_err() {
        end();
    }
}

fn end_after_grace() {
    std::thread::sleep(GRACE);
    end();
}

/// A process in the middle of its work is ended as by a signal: whatever it was doing bears that at any instant.
#[expect(clippy::exit, reason = "nobody is left who could be answered")]
fn end() {
    std::process::exit(2);
}
