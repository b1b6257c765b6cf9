//! Starting `backup -agent` on another host (floor 5).
//!
//! What must stay true: nothing but `HOST backup -agent` is put behind the command that reaches the host. All else goes over the pipe, so no
//! shell, here or there, sees a path; and a host that reads as an option is refused.

use super::Error;
use super::child::Process;
use super::line::{self, Line, Port};
use super::throttle::{Limited, Throttle};
use crate::path::{shown, shown_path};
use crate::table::Rsh;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// What `ssh` is told: no terminal, no forwarding, no questions, and to notice a host that is gone.
const SSH: [&str; 8] = [
    "-T",
    "-x",
    "-a",
    "-oBatchMode=yes",
    "-oConnectTimeout=30",
    "-oServerAliveInterval=15",
    "-oServerAliveCountMax=4",
    "--",
];
/// How long the exit status of a program is waited for that has closed its pipe.
const STATUS: Duration = Duration::from_secs(2);
/// The exit status of a shell that does not find a program.
const NOT_FOUND: i32 = 127;
/// What a `backup` says that does not know the word `-agent`.
const UNKNOWN: &str = "unrecognized subcommand";
/// The exit status of `ssh` itself.
const SSH_FAILED: i32 = 255;

/// How a far end is reached.
pub struct Options {
    /// Receives each line that the other end writes to standard error, escaped.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
    /// The rate of `--bwlimit`, both ways together.
    pub throttle: Option<Arc<Throttle>>,
    /// How long the other end may take to end by itself.
    pub grace: Duration,
    /// As in [`line::Options`].
    pub keep_alive: Duration,
    /// As in [`line::Options`].
    pub silence: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let line::Options { keep_alive, silence, .. } = line::Options::default();
        Self { tell: Box::new(|_| {}), throttle: None, grace: Duration::from_secs(5), keep_alive, silence }
    }
}

/// A running agent on another host. Dropping it hangs up, and waits until what was started here has ended.
pub struct Far {
    line: Line,
    caller: Arc<Caller>,
    grace: Duration,
}

/// The program that reached the host, and what to make of its end.
struct Caller {
    host: String,
    program: String,
    is_ssh: bool,
    process: Process,
}

impl Far {
    /// Starts the agent. `rsh` is of the target, `env_rsh` the value of `BACKUP_RSH`; without both it is `ssh`.
    pub fn start(host: &str, rsh: Option<&Rsh>, env_rsh: Option<&OsStr>, options: Options) -> Result<Self, Error> {
        let (mut command, is_ssh) = command(host, rsh, env_rsh)?;
        let program = shown_path(Path::new(command.get_program()));
        let cannot = |error: std::io::Error| unstartable(host, &program, error.to_string());
        let Options { tell, throttle, grace, keep_alive, silence } = options;
        let (process, input, output) = Process::start(&mut command, tell).map_err(cannot)?;
        let host = host.to_owned();
        let caller = Caller { host: host.clone(), program, is_ssh, process };
        let caller = Arc::new(caller);
        let (killer, explainer) = (Arc::clone(&caller), Arc::clone(&caller));
        let line = Line::open(
            host,
            Limited::new(output, throttle.clone()),
            Limited::new(input, throttle),
            line::Options {
                keep_alive,
                silence,
                may_end: false,
                kill: Box::new(move || killer.process.kill()),
                explain: Box::new(move |error, greeted| explainer.explain(error, greeted)),
                ..line::Options::default()
            },
        );
        match line {
            Ok(line) => Ok(Self { line, caller, grace }),
            Err(error) => {
                // It has hung up already.
                caller.process.end(|| true, grace);
                Err(error)
            }
        }
    }

    /// The port of requests, replies and events.
    pub fn talk(&self) -> Port {
        self.line.talk()
    }

    /// The port of another talk, which is only passed on.
    pub fn tunnel(&self) -> Port {
        self.line.tunnel()
    }

    /// The line to it.
    pub const fn line(&self) -> &Line {
        &self.line
    }

    /// The host as messages name it.
    pub fn host(&self) -> &str {
        &self.caller.host
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.caller.process.end(|| self.line.hang_up(), self.grace);
    }
}

impl Caller {
    /// Why the other end went, by the exit status and the last words of the program that reached it.
    fn explain(&self, error: Error, greeted: bool) -> Error {
        let host = match error {
            Error::Closed { host, .. } => host,
            // The other end notices that too, and is not to be killed before it has: once is enough.
            Error::Version { .. } | Error::Silent { .. } => {
                self.process.wait(STATUS);
                self.process.last_words();
                return error;
            }
            _ => return error,
        };
        let status = self.process.wait(STATUS);
        let code = status.and_then(|status| status.code());
        let said = self.process.last_words();
        if !greeted {
            if self.is_ssh && code == Some(SSH_FAILED) {
                return Error::Unreachable { host, program: self.program.clone(), last: said };
            }
            if code == Some(NOT_FOUND) || says_not_found(&said) || said.contains(UNKNOWN) {
                return Error::NotInstalled { host, last: said };
            }
        }
        // The exit code of a program that says why it ended tells nothing more.
        let status = status.filter(|status| said.is_empty() || status.code().is_none());
        let status = status.map(|status| status.to_string()).into_iter();
        let last = status.chain(Some(said).filter(|said| !said.is_empty())).collect::<Vec<_>>().join("; ");
        Error::Closed { host, last }
    }
}

/// The words of the shells for a program that is not there.
fn says_not_found(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("command not found") || said.contains("no such file")
}

fn unstartable(host: &str, program: &str, what: String) -> Error {
    Error::Unstartable { host: shown(host.as_bytes()), program: program.to_owned(), what }
}

/// The whole command, and whether its program is `ssh`.
fn command(host: &str, rsh: Option<&Rsh>, env_rsh: Option<&OsStr>) -> Result<(Command, bool), Error> {
    if host.is_empty() || host.starts_with('-') {
        return Err(unstartable(host, "ssh", "this is not the name of a host".to_owned()));
    }
    let from_env = match env_rsh.filter(|_| rsh.is_none()) {
        Some(text) => {
            let cut = Rsh::parse(text.as_bytes());
            Some(cut.map_err(|mistake| unstartable(host, &shown(text.as_bytes()), mistake.to_string()))?)
        }
        None => None,
    };
    let rsh = rsh.or(from_env.as_ref());
    let program = rsh.map_or(OsStr::new("ssh"), Rsh::program);
    let is_ssh = Path::new(program).file_name() == Some(OsStr::new("ssh"));
    let mut command = Command::new(program);
    command.args(rsh.map(Rsh::arguments).unwrap_or_default());
    if is_ssh {
        command.args(SSH);
    }
    command.args([host, "backup", "-agent"]);
    Ok((command, is_ssh))
}

#[cfg(test)]
#[path = "ssh_tests.rs"]
mod tests;
