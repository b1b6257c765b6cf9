//! Errands (floor 6): a verb that is carried out by the agent on another host, because SOURCE, or the place to restore to, is there.
//!
//! The operator's own program sends the entry of the table and the verb; the agent has the source at hand, and reaches a mirror that is elsewhere
//! through the tunnel of its line, which the operator's program joins to it. What comes back is the report, and on the way what a monitor is told.

use super::backup::{self, backup};
use super::check::{self, check};
use super::diff::{self, diff};
use super::elsewhere::Elsewhere;
use super::places::Ends;
use super::restore::{self, Would, restore};
use super::{Context, Error, run};
use crate::format::bin;
use crate::fs::clock;
use crate::fs::pin::Held;
use crate::mirror::Error as MirrorError;
use crate::mirror::end::End;
use crate::mirror::near::Near;
use crate::monitor::Monitor;
use crate::remote::far::{Connection, FarEnd};
use crate::remote::line::Port;
use crate::remote::message::{Fault, Whereabouts};
use crate::remote::policy::Policy;
use crate::remote::serve::Errands;
use crate::table::{Table, Target};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A verb and all that it needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Errand {
    /// The entry of the table, as written.
    #[serde(with = "serde_bytes")]
    pub(super) entry: Vec<u8>,
    /// Where the table lies.
    #[serde(with = "serde_bytes")]
    pub(super) folder: Vec<u8>,
    /// What the host of the table is called.
    pub(super) this_host: String,
    /// What the table calls the host of this agent.
    pub(super) home: String,
    /// SOURCE, as this agent finds it.
    pub(super) source: Side,
    /// MIRROR.
    pub(super) mirror: Side,
    /// For the id of a new store.
    pub(super) random: u128,
    /// What to do.
    pub(super) verb: Verb,
}

/// Where an end is, as seen from the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Side {
    /// On its own host; and as messages name it.
    Here(String, Whereabouts),
    /// Behind the tunnel, on the host of this name.
    Tunnel(String, Whereabouts),
    /// Out of reach in this errand: as messages name it.
    Elsewhere(String),
}

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Verb {
    /// `-backup`
    Backup(backup::Options),
    /// `-restore`
    Restore(restore::Options),
    /// `-check`, and whether to read all content
    Check(bool),
    /// `-diff`
    Diff(diff::Options),
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// `-backup`
    Backup(Box<run::Report>),
    /// `-restore`
    Restore(Box<restore::Report>),
    /// `-check`
    Check(check::Report),
    /// `-diff`
    Diff(diff::Report),
}

/// The agent's side: carries errands out.
pub struct Runner<'a> {
    /// What this agent lets its client do.
    pub policy: &'a Policy,
    /// Where a mirror elsewhere is reached.
    pub tunnel: Port,
    /// Where manifests are kept to be read again.
    pub cache: Option<PathBuf>,
}

impl Errands for Runner<'_> {
    fn carry_out(&self, errand: &[u8], monitor: &dyn Monitor, tell: &dyn Fn(Vec<u8>)) -> Result<Vec<u8>, Fault> {
        let mut rest = errand;
        let errand: Errand = bin::decode(&mut rest, "an errand").map_err(|e| Fault::Failed(e.to_string()))?;
        let target = target(&errand).map_err(Fault::Refused)?;
        if matches!(errand.verb, Verb::Restore(_)) && self.policy.append_only() {
            let why = "this agent lets nothing be restored here (--append-only): restore on its own host";
            return Err(Fault::Refused(format!("{}: {why} (nothing was written)", errand.home)));
        }
        let source = self.end(&errand, &target, &errand.source)?;
        let mirror = self.end(&errand, &target, &errand.mirror)?;
        let ends = Ends { target: &target, source: source.as_ref(), mirror: mirror.as_ref() };
        let context = Context { monitor, now: clock::now(), random: errand.random };
        let outcome = self.run(ends, &errand, context, tell).map_err(|fault| errand.named(fault))?;
        let mut bytes = Vec::new();
        bin::encode(&outcome, &mut bytes).map_err(|e| Fault::Failed(e.to_string()))?;
        Ok(bytes)
    }
}

impl Runner<'_> {
    fn run(
        &self,
        ends: Ends<'_>,
        errand: &Errand,
        context: Context<'_>,
        tell: &dyn Fn(Vec<u8>),
    ) -> Result<Outcome, Fault> {
        let fault = |e| fault(&e);
        match errand.verb.clone() {
            Verb::Backup(options) => {
                backup(ends, options, context).map(|report| Outcome::Backup(Box::new(report))).map_err(fault)
            }
            Verb::Check(data) => check(ends, data, context).map(Outcome::Check).map_err(fault),
            Verb::Diff(options) => {
                diff(ends, &options, context, &mut |line| tell_line(&line, tell)).map(Outcome::Diff).map_err(fault)
            }
            Verb::Restore(mut options) => {
                let to = options.to.as_deref().map(|to| self.admit(errand, to)).transpose()?;
                options.to = to.as_deref().map(Path::to_path_buf);
                let mut would = |would: Would| tell_line(&would, tell);
                let report = restore(ends, &options, context, &mut would).map_err(fault)?;
                Ok(Outcome::Restore(Box::new(report)))
            }
        }
    }

    /// The path to work with for a place here. A refusal names this host.
    fn admit(&self, errand: &Errand, path: &Path) -> Result<Held, Fault> {
        self.policy.admit(path).map_err(|fault| match fault {
            Fault::Refused(why) => Fault::Refused(format!("{}: {why}", errand.home)),
            other => other,
        })
    }

    fn end(&self, errand: &Errand, target: &Target, side: &Side) -> Result<Box<dyn End + '_>, Fault> {
        let path = |bytes: &[u8]| self.admit(errand, Path::new(OsStr::from_bytes(bytes)));
        Ok(match side {
            Side::Here(label, place) => {
                let label = label.clone();
                let store = place.store.as_deref().map(path).transpose()?;
                let (name, path) = (&target.name, path(&place.path)?);
                let near = Near::new(name, &path, store.as_deref()).called(Some(label));
                Box::new(near.keeping([Some(path), store].into_iter().flatten()))
            }
            Side::Tunnel(host, place) => {
                let tunnel = self.tunnel.clone();
                let connect = Box::new(move || Ok(Connection { port: tunnel.clone(), keep: Box::new(()) }));
                Box::new(FarEnd::new(host.clone(), place.clone(), connect, self.cache.clone()))
            }
            Side::Elsewhere(name) => Box::new(Elsewhere(name.clone())),
        })
    }
}

impl Errand {
    /// As the operator is to read it, who sees the words of two hosts: those of the mirror's end begin with its name, and refusals name the places.
    fn named(&self, fault: Fault) -> Fault {
        let is_named = |text: &str| match &self.mirror {
            Side::Tunnel(host, _) => text.strip_prefix(host.as_str()).is_some_and(|rest| rest.starts_with(':')),
            _ => false,
        };
        match fault {
            Fault::Locked(place) if !is_named(&place) => Fault::Locked(format!("{}:{place}", self.home)),
            Fault::Failed(text) if !is_named(&text) => Fault::Failed(format!("{}: {text}", self.home)),
            other => other,
        }
    }
}

/// A line of what a verb tells of on the way.
fn tell_line(line: &impl Serialize, tell: &dyn Fn(Vec<u8>)) {
    let mut bytes = Vec::new();
    if bin::encode(line, &mut bytes).is_ok() {
        tell(bytes);
    }
}

fn target(errand: &Errand) -> Result<Target, String> {
    let folder = Path::new(OsStr::from_bytes(&errand.folder));
    let table = Table::parse(&errand.entry, Path::new("backup.tab"), folder, &errand.this_host);
    let table = table.map_err(|e| format!("the entry of the table that was sent is refused here: {e}"))?;
    table.targets.into_iter().next().ok_or_else(|| "no entry of a table was sent".to_owned())
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::Mirror(MirrorError::Locked(place)) => Fault::Locked(place.clone()),
        Error::Refused(_) => Fault::Refused(error.to_string()),
        _ => Fault::Failed(error.to_string()),
    }
}
