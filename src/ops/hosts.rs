//! Where a verb runs (floor 6): what reads SOURCE or writes to it runs where SOURCE is; everything else where the operator is.

use super::approve::approve;
use super::backup::{self, backup};
use super::check::{self, check};
use super::diff::{self, diff};
use super::elsewhere::Elsewhere;
use super::errand::{Errand, Outcome, Side, Verb};
use super::find::{self, Story, find};
use super::list::{self, Row, list};
use super::mount::{self, mount};
use super::pattern::Pattern;
use super::pins::pin;
use super::places::Ends;
use super::prune::{self, prune};
use super::restore::{self, Would, restore};
use super::run;
use super::snapshots::{Listed, snapshots};
use super::swap::{self, Tab, swap};
use super::{Context, Error};
use crate::format::bin;
use crate::format::snapshot::Record;
use crate::mirror::Error as MirrorError;
use crate::mirror::end::End;
use crate::mirror::near::Near;
use crate::monitor::Monitor;
use crate::place::{Place, same_host};
use crate::remote;
use crate::remote::far::{Connection, FarEnd};
use crate::remote::line;
use crate::remote::message::{Answer, Ask, Event, Fault, Whereabouts};
use crate::remote::policy::Policy;
use crate::remote::serve::serve;
use crate::remote::ssh::{self, Far};
use crate::remote::talk::{Failure, Talk};
use crate::remote::tell::tell_named;
use crate::remote::throttle::Throttle;
use crate::table::Target;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the hosts of a target are reached.
#[derive(Clone)]
pub struct Hosts {
    /// What this host is called.
    pub this_host: String,
    /// Where the table lies.
    pub folder: PathBuf,
    /// The value of `BACKUP_RSH`.
    pub rsh: Option<OsString>,
    /// The rate of `--bwlimit`, which all lines keep together.
    pub throttle: Option<Arc<Throttle>>,
    /// Where manifests are kept to be read again.
    pub cache: Option<PathBuf>,
    /// Receives what the programs on other hosts write to standard error: host and line.
    pub tell: Arc<Tell>,
}

/// Receives a host and what was written there.
pub type Tell = dyn Fn(&str, &str) + Send + Sync;

/// Which end of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Source,
    Mirror,
}

impl Which {
    /// Its path, if that is on this host, and its place in the table.
    fn of(self, target: &Target) -> (Option<&Path>, &Place) {
        match self {
            Self::Source => (target.source_path(), &target.source),
            Self::Mirror => (target.mirror_path(), &target.mirror),
        }
    }
}

impl Hosts {
    /// `-backup`: where SOURCE is.
    pub fn backup(
        &self,
        target: &Target,
        options: backup::Options,
        context: Context<'_>,
    ) -> Result<run::Report, Error> {
        let Some(host) = far_host(target.source_path(), &target.source) else {
            return self.with(target, |ends| backup(ends, options, context));
        };
        let errand = self.errand(host, target, None, Verb::Backup(options), context);
        match self.send(host, target, &errand, context, &mut |_| {})? {
            Outcome::Backup(report) => Ok(*report),
            _ => Err(not_the_answer(host)),
        }
    }

    /// `-restore`: where the place is that is written to: SOURCE, or `to` if that is given.
    pub fn restore(
        &self,
        target: &Target,
        to: Option<&Place>,
        mut options: restore::Options,
        context: Context<'_>,
        would: &mut dyn FnMut(Would),
    ) -> Result<restore::Report, Error> {
        options.to = to.map(|place| place.path.clone());
        let host = match to {
            None => far_host(target.source_path(), &target.source),
            Some(place) => place.host.as_deref().filter(|_| !place.is_local(&self.this_host)),
        };
        let Some(host) = host else { return self.with(target, |ends| restore(ends, &options, context, would)) };
        let errand = self.errand(host, target, to, Verb::Restore(options), context);
        match self.send(host, target, &errand, context, &mut |bytes| heard(bytes, would))? {
            Outcome::Restore(report) => Ok(*report),
            _ => Err(not_the_answer(host)),
        }
    }

    /// `-check`: where SOURCE is, or here without it if it cannot be reached.
    pub fn check(&self, target: &Target, data: bool, context: Context<'_>) -> Result<check::Report, Error> {
        let Some(host) = far_host(target.source_path(), &target.source) else {
            return self.with(target, |ends| check(ends, data, context));
        };
        let errand = self.errand(host, target, None, Verb::Check(data), context);
        match self.send(host, target, &errand, context, &mut |_| {}) {
            Ok(Outcome::Check(report)) => Ok(report),
            Ok(_) => Err(not_the_answer(host)),
            Err(Error::Unreached(e)) => {
                context.monitor.note(&format!("{e}; SOURCE was not compared"));
                let source = Elsewhere(target.source.to_string());
                self.with_ends(target, &source, |ends| check(ends, data, context))
            }
            Err(e) => Err(e),
        }
    }

    /// `-approve`.
    pub fn approve(&self, target: &Target, sequence: Option<u64>, context: Context<'_>) -> Result<run::Report, Error> {
        self.with(target, |ends| approve(ends, sequence, context))
    }

    /// `-swap`.
    pub fn swap(&self, target: &Target, tab: Tab<'_>, context: Context<'_>) -> Result<swap::Report, Error> {
        self.with(target, |ends| swap(ends, tab, context))
    }

    /// `-pin` and `-unpin`.
    pub fn pin(&self, target: &Target, sequence: u64, pinned: bool, context: Context<'_>) -> Result<bool, Error> {
        self.with(target, |ends| pin(ends, sequence, pinned, context))
    }

    /// `-prune`.
    pub fn prune(
        &self,
        target: &Target,
        options: &prune::Options,
        context: Context<'_>,
    ) -> Result<prune::Report, Error> {
        self.with(target, |ends| prune(ends, options, context))
    }

    /// `-snapshots`.
    pub fn snapshots(&self, target: &Target) -> Result<Listed, Error> {
        self.with(target, snapshots)
    }

    /// `-list`.
    pub fn list(
        &self,
        target: &Target,
        options: &list::Options,
        context: Context<'_>,
        tell: &mut dyn FnMut(Row<'_>),
    ) -> Result<Record, Error> {
        self.with(target, |ends| list(ends, options, context, tell))
    }

    /// `-find`; days of KEEP begin and end in `zone`.
    pub fn find(
        &self,
        target: &Target,
        pattern: &Pattern,
        zone: TimeZone,
        context: Context<'_>,
        tell: &mut dyn FnMut(&Story<'_>),
    ) -> Result<find::Report, Error> {
        self.with(target, |ends| find(ends, pattern, zone, context, tell))
    }

    /// `-diff`: where SOURCE is, if that has to be read.
    pub fn diff(
        &self,
        target: &Target,
        options: diff::Options,
        context: Context<'_>,
        tell: &mut dyn FnMut(diff::Line),
    ) -> Result<diff::Report, Error> {
        let host = far_host(target.source_path(), &target.source).filter(|_| options.reads_source());
        let Some(host) = host else { return self.with(target, |ends| diff(ends, &options, context, tell)) };
        let errand = self.errand(host, target, None, Verb::Diff(options), context);
        match self.send(host, target, &errand, context, &mut |bytes| heard(bytes, tell))? {
            Outcome::Diff(report) => Ok(report),
            _ => Err(not_the_answer(host)),
        }
    }

    /// `-mount`: here, wherever the history is.
    pub fn mount(&self, target: &Target, options: &mount::Options<'_>) -> Result<mount::End, Error> {
        self.with(target, |ends| mount(ends, options))
    }

    /// Carries out a verb here, with both ends, wherever they are.
    fn with<T>(&self, target: &Target, verb: impl FnOnce(Ends<'_>) -> Result<T, Error>) -> Result<T, Error> {
        self.with_ends(target, self.end(target, Which::Source).as_ref(), verb)
    }

    fn with_ends<T>(
        &self,
        target: &Target,
        source: &dyn End,
        verb: impl FnOnce(Ends<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mirror = self.end(target, Which::Mirror);
        verb(Ends { target, source, mirror: mirror.as_ref() })
    }

    fn end(&self, target: &Target, which: Which) -> Box<dyn End> {
        let (path, place) = which.of(target);
        let store = if which == Which::Mirror { target.store_path() } else { None };
        let Some(host) = far_host(path, place) else {
            return Box::new(Near::new(&target.name, path.unwrap_or(&place.path), store));
        };
        let (hosts, rsh, host) = (self.clone(), target.rsh.clone(), host.to_owned());
        let name = host.clone();
        let connect = Box::new(move || {
            let far = hosts.reach(&host, rsh.as_ref())?;
            Ok(Connection { port: far.talk(), keep: Box::new(far) })
        });
        Box::new(FarEnd::new(name, whereabouts(target, which), connect, self.cache.clone()))
    }

    /// Starts the agent on another host.
    fn reach(&self, host: &str, rsh: Option<&crate::table::Rsh>) -> Result<Far, remote::Error> {
        let (tell, name) = (Arc::clone(&self.tell), host.to_owned());
        let options = ssh::Options {
            tell: Box::new(move |line| tell(&name, line)),
            throttle: self.throttle.clone(),
            ..ssh::Options::default()
        };
        Far::start(host, rsh, self.rsh.as_deref(), options)
    }

    /// A verb for the agent on `host`, which writes to `to` if that is given.
    fn errand(&self, host: &str, target: &Target, to: Option<&Place>, verb: Verb, context: Context<'_>) -> Errand {
        // There is one tunnel, and it leads to the mirror.
        let source = match self.side(host, target, Which::Source) {
            Side::Tunnel(..) if to.is_some() => Side::Elsewhere(target.source.to_string()),
            source => source,
        };
        Errand {
            entry: target.entry(),
            folder: self.folder.as_os_str().as_bytes().to_vec(),
            this_host: self.this_host.clone(),
            home: host.to_owned(),
            source,
            mirror: self.side(host, target, Which::Mirror),
            random: context.random,
            verb,
        }
    }

    /// Has an errand carried out on another host.
    fn send(
        &self,
        host: &str,
        target: &Target,
        errand: &Errand,
        context: Context<'_>,
        line: &mut dyn FnMut(&[u8]),
    ) -> Result<Outcome, Error> {
        let is_tunnel = matches!(errand.mirror, Side::Tunnel(..));
        let mut bytes = Vec::new();
        bin::encode(errand, &mut bytes).map_err(|e| Error::Refused(e.to_string()))?;
        std::thread::scope(|scope| {
            // Both hosts are called at the same time.
            let mirror = || is_tunnel.then(|| self.mirror_port(target)).transpose();
            let mirror = std::thread::Builder::new().spawn_scoped(scope, mirror).map_err(|e| no_thread(&e))?;
            let far = self.reach(host, target.rsh.as_ref()).map_err(Error::Unreached)?;
            let tunnel = far.tunnel();
            let joined = std::thread::Builder::new().spawn_scoped(scope, move || {
                let reached = mirror.join().unwrap_or(Ok(None));
                let joined = match &reached {
                    Ok(Some(MirrorPort::Far(mirror))) => line::join(&tunnel, &mirror.talk()),
                    Ok(Some(MirrorPort::Here)) => serve(&tunnel, &Policy::open(), None),
                    Ok(None) => return Ok(()),
                    Err(_) => Ok(()),
                };
                tunnel.close();
                reached.and(joined)
            });
            let joined = joined.map_err(|e| no_thread(&e))?;
            let talk = Talk::new(host.to_owned(), far.talk()).map_err(Error::Unreached)?;
            let answer = talk.ask(Ask::Errand(bytes), &mut |event| hear(event, context.monitor, line));
            far.tunnel().close();
            let joined = joined.join().unwrap_or(Ok(()));
            match (answer, joined) {
                (Ok(Answer::Carried(bytes)), _) => outcome(&bytes, host),
                (Ok(_), _) => Err(not_the_answer(host)),
                // The agent only knows that its tunnel ended; here is known why.
                (Err(_), Err(e)) | (Err(Failure::Line(e)), Ok(())) => Err(Error::Remote(e)),
                (Err(Failure::Fault { fault, .. }), Ok(())) => Err(told(fault)),
            }
        })
    }

    fn mirror_port(&self, target: &Target) -> Result<MirrorPort, remote::Error> {
        match far_host(target.mirror_path(), &target.mirror) {
            Some(host) => Ok(MirrorPort::Far(self.reach(host, target.rsh.as_ref())?)),
            None => Ok(MirrorPort::Here),
        }
    }

    /// Where an end is, as the agent on `host` sees it.
    fn side(&self, host: &str, target: &Target, which: Which) -> Side {
        let (path, place) = which.of(target);
        let place_there = whereabouts(target, which);
        match far_host(path, place) {
            Some(there) if same_host(there, host) => Side::Here(place.to_string(), place_there),
            Some(there) => Side::Tunnel(there.to_owned(), place_there),
            None => Side::Tunnel(self.this_host.clone(), place_there),
        }
    }
}

/// What the tunnel is joined to.
enum MirrorPort {
    Far(Far),
    Here,
}

/// The host of a place that is not on this one.
fn far_host<'a>(path: Option<&Path>, place: &'a Place) -> Option<&'a str> {
    place.host.as_deref().filter(|_| path.is_none())
}

fn whereabouts(target: &Target, which: Which) -> Whereabouts {
    let (path, place) = which.of(target);
    let store = target.store.as_ref().filter(|_| which == Which::Mirror);
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let store = store.map(|store| target.store_path().map_or_else(|| bytes(&store.path), bytes));
    Whereabouts { target: target.name.clone(), path: bytes(path.unwrap_or(&place.path)), store }
}

fn hear(event: Event, monitor: &dyn Monitor, line: &mut dyn FnMut(&[u8])) {
    if let Some(bytes) = tell_named(monitor, event) {
        line(&bytes);
    }
}

/// A line that a verb told of on another host.
fn heard<T: DeserializeOwned>(mut bytes: &[u8], tell: &mut dyn FnMut(T)) {
    if let Ok(line) = bin::decode(&mut bytes, "a line of a report") {
        tell(line);
    }
}

fn outcome(bytes: &[u8], host: &str) -> Result<Outcome, Error> {
    let mut rest = bytes;
    bin::decode(&mut rest, "a report").map_err(|_| not_the_answer(host))
}

/// What an agent says of its errand names the hosts already.
fn told(fault: Fault) -> Error {
    match fault {
        Fault::Locked(place) => Error::Mirror(MirrorError::Locked(place)),
        Fault::NoSnapshot(number) => Error::Store(crate::store::Error::NoSnapshot(number)),
        Fault::Refused(text) | Fault::Damaged(text) | Fault::Unreadable(text) | Fault::Failed(text) => {
            Error::Refused(text)
        }
    }
}

fn not_the_answer(host: &str) -> Error {
    Error::Refused(format!("{host}: the agent there answered something else than was asked"))
}

fn no_thread(e: &std::io::Error) -> Error {
    crate::store::Error::Threads(e.to_string()).into()
}
