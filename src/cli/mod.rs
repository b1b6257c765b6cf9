//! The command line (floor 7): words in, verbs called, reports and exit codes out. The only room that prints.
//!
//! One file a command; `args` knows the words, `table` finds backup.tab, `terminal` shows the progress of a run, `screen` that of all, `out` prints, `exit` has the
//! codes.

mod agent;
mod args;
mod backup;
mod check;
mod diff;
mod exit;
mod find;
mod held;
mod hosts;
mod jobs;
mod list;
mod mount;
mod out;
mod pin;
mod prune;
mod restore;
mod screen;
mod shape;
mod size;
mod snapshots;
mod status;
mod swap;
mod table;
mod targets;
mod terminal;
mod time;

use crate::ops::hosts::Hosts;
use args::{Args, Command};
use exit::Exit;
use out::Out;
use std::process::ExitCode;
use table::Found;

/// Runs the program.
pub fn main() -> ExitCode {
    crate::fs::let_owner_in();
    raise_file_limit();
    let args = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(exit) => return exit.into(),
    };
    let out = Out::new(args.json, args.quiet);
    match run(args, out) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.error(&failure.message);
            failure.exit.into()
        }
    }
}

/// A target takes a few dozen descriptors however deep its trees are, and some more for each processor; but several may be backed up side by side, and
/// no limit of old is a reason for one of them to fail: take what the system allows.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Without it, there is less at the same time.
    let _unraised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Rayon's own threads are started before anything is done: where they are started when they are first wanted, a failure is a panic.
fn start_workers() -> Result<(), Failure> {
    let started = rayon::ThreadPoolBuilder::new().build_global();
    started
        .map_err(|e| Failure { message: crate::store::Error::Threads(e.to_string()).to_string(), exit: Exit::Failed })
}

/// What every command has at hand.
struct Session {
    found: Found,
    hosts: Hosts,
    verbose: bool,
    out: Out,
}

/// A command that ended with a message.
struct Failure {
    message: String,
    exit: Exit,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }

    fn of(target: &str, error: &crate::ops::Error) -> Self {
        let exit = match error {
            crate::ops::Error::Pattern(_) => Exit::Usage,
            _ if error.is_locked() => Exit::Locked,
            _ => Exit::Failed,
        };
        Self { message: format!("{target}: {error}"), exit }
    }
}

fn run(args: Args, out: Out) -> Result<Exit, Failure> {
    let Some(command) = args.command else {
        out.line(args::USAGE);
        return Ok(Exit::Done);
    };
    if let Command::Agent(options) = command {
        start_workers()?;
        return agent::run(&options);
    }
    let found = Found::load(args.tab.as_deref())?;
    let hosts = hosts::hosts(&found, args.bwlimit.as_deref())?;
    if !matches!(command, Command::Targets | Command::Status { .. } | Command::Snapshots { .. } | Command::Mount(_)) {
        start_workers()?;
    }
    let session = Session { found, hosts, verbose: args.verbose, out };
    match command {
        Command::Targets => Ok(targets::run(&session.found, out)),
        Command::Status { target } => Ok(status::run(session.found.target(&target)?, out)),
        Command::Backup(options) => backup::run(&session, &options),
        Command::Approve { target, number } => backup::approve(&session, &target, number),
        Command::Restore(options) => restore::run(&session, &options),
        Command::Check { target, data } => check::run(&session, &target, data),
        Command::Swap { target } => swap::run(&session, &target),
        Command::Pin { target, number } => pin::run(&session, &target, number, true),
        Command::Unpin { target, number } => pin::run(&session, &target, number, false),
        Command::Prune(options) => prune::run(&session, &options),
        Command::Snapshots { target } => snapshots::run(&session, &target),
        Command::List(options) => list::run(&session, &options),
        Command::Find { target, pattern } => find::run(&session, &target, &pattern),
        Command::Diff { target, a, b, paths } => diff::run(&session, &target, (&a, &b), &paths),
        Command::Mount(options) => mount::run(&session, &options),
        // Has no table, and was carried out above.
        Command::Agent(_) => Ok(Exit::Done),
    }
}
