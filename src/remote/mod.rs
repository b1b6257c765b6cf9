//! Other hosts (floor 5): two programs `backup` and the pipe between them.
//!
//! [`ssh`] starts the program at the far end, [`stdio`] is the near side of one that was started so. Both give a [`line`](mod@line): checked
//! frames ([`frame`]) both ways, in two ports that do not wait for each other. [`throttle`] is for `--bwlimit`.
//!
//! What is said on a line is in [`message`]. [`far`] asks: a place on another host is an end like one here; [`talk`] brings questions and answers together,
//! [`ahead`] asks for content before it is needed, [`cache`] remembers manifests, and [`alike`]
//! knows what new content resembles, so that only what differs ([`delta`]) is sent.
//!
//! What must stay true: nothing that comes over the pipe is believed, or allocated for, before its length and its checksum were looked at; no
//! shell ever sees a path; a peer that is gone or silent ends in an error, never in waiting for ever.

pub mod ahead;
pub mod alike;
pub mod cache;
mod child;
pub mod delta;
pub mod far;
pub mod far_mirror;
pub mod far_put;
pub mod far_read;
pub mod far_turn;
pub mod fetch;
pub mod frame;
pub mod line;
pub mod message;
pub mod policy;
mod pulse;
mod pump;
mod queue;
pub mod serve;
pub mod ssh;
pub mod stdio;
pub mod talk;
pub mod tell;
pub mod throttle;
pub mod unpack;
mod words;

use crate::path::shown_path;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What goes wrong between two hosts. `host` is what messages call the other end; all other text was escaped when it came in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Reading from or writing to the pipe failed.
    #[error("{host}: the connection failed: {source} (run the command again: it goes on from here)")]
    Pipe {
        /// The other end.
        host: String,
        /// What the kernel said.
        source: Arc<io::Error>,
    },
    /// The other end went away.
    #[error("{host}: the other end went away{} (run the command again: it goes on from here)", because(.last))]
    Closed {
        /// The other end.
        host: String,
        /// How it ended and what it said last; may be empty.
        last: String,
    },
    /// Not a byte came for too long.
    #[error(
        "{host}: no word for {seconds} s, the connection is given up (look whether the host is up, then run the command again)"
    )]
    Silent {
        /// The other end.
        host: String,
        /// How long it was waited.
        seconds: u64,
    },
    /// What came is not what was sent, or nothing that the protocol allows.
    #[error(
        "{host}: damaged data on the connection: {what} (run the command again; if this stays, look at the network and at RSH)"
    )]
    Damaged {
        /// The other end.
        host: String,
        /// What is wrong.
        what: &'static str,
    },
    /// Something else than `backup` answered.
    #[error(
        "{host} answered with \"{line}\" instead of the protocol of backup: make the login files of that user print nothing, and let it have a shell"
    )]
    NotOurs {
        /// The other end.
        host: String,
        /// The first line of the answer.
        line: String,
    },
    /// The two programs speak different protocols.
    #[error(
        "{host} has backup {theirs}, here is {ours}: these two cannot work together (install one version on both hosts{})",
        there(.host, *.called)
    )]
    Version {
        /// The other end.
        host: String,
        /// Version and protocol here.
        ours: String,
        /// Version and protocol there.
        theirs: String,
        /// Whether we called it, and can say how to install another one there.
        called: bool,
    },
    /// There is no `backup` at the other end that could be an agent.
    #[error("{host} has no backup, or one that is too old{}; to install it: {}", because(.last), install(.host))]
    NotInstalled {
        /// The other end.
        host: String,
        /// What was said there.
        last: String,
    },
    /// `ssh` could not get there.
    #[error("{host} cannot be reached{} (try: {program} {host} true)", because(.last))]
    Unreachable {
        /// The other end.
        host: String,
        /// The program that tried.
        program: String,
        /// Its own words.
        last: String,
    },
    /// The program that reaches other hosts cannot be run.
    #[error("cannot reach {host} by {program}: {what} (install it, or name another program in RSH or BACKUP_RSH)")]
    Unstartable {
        /// The other end.
        host: String,
        /// The program.
        program: String,
        /// Why not.
        what: String,
    },
}

impl Error {
    /// For the host that called: its operator hears this as our last words, and knows what to do. Nothing where nobody is there any more.
    pub fn last_words(&self) -> Option<String> {
        match self {
            Self::Closed { .. } => None,
            Self::Pipe { source, .. } => Some(format!("its connection failed: {source}")),
            Self::Silent { seconds, .. } => Some(format!("it heard no word for {seconds} s")),
            Self::Damaged { what, .. } => Some(format!("what it received was damaged: {what}")),
            Self::NotOurs { line, .. } => Some(format!("it received \"{line}\" instead of the protocol of backup")),
            other => Some(other.to_string()),
        }
    }
}

/// Last words as a part of a sentence.
fn because(last: &str) -> String {
    if last.is_empty() { String::new() } else { format!(": {last}") }
}

fn there(host: &str, called: bool) -> String {
    if called { format!("; this one on {host}: {}", install(host)) } else { String::new() }
}

/// The command that installs this program there.
fn install(host: &str) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("backup"));
    format!("scp {} {host}:/usr/local/bin/backup", shown_path(&program))
}
