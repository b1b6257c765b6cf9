//! An end of a target on another host (floor 5): the same answers as [`crate::mirror::near::Near`] gives on that host.
//!
//! The host is called with the first question, once: a host that is down costs nothing to who asks it nothing, and is not called again.

use super::Error as LineError;
use super::far_mirror::FarMirror;
use super::far_turn::FarTurn;
use super::line::Port;
use super::message::{Answer, Ask, Whereabouts};
use super::talk::{Failure, Talk};
use super::tell::tell;
use crate::format::role::Role;
use crate::format::snapshot::Record;
use crate::fs::space::Need;
use crate::limits::RECORDS_ANSWERS;
use crate::mirror::Error;
use crate::mirror::end::{Around, End, Room, Turning};
use crate::mirror::home;
use crate::mirror::service::MirrorService;
use crate::monitor::{Monitor, Silent};
use crate::path::{RelPath, shown};
use crate::store::history::History;
use crate::store::import::Imported;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A port to an agent, and what has to stay as long as it is used.
pub struct Connection {
    /// Where questions go.
    pub port: Port,
    /// Dropped after the port was closed.
    pub keep: Box<dyn Send + Sync>,
}

/// Calls a host.
pub type Connect = Box<dyn Fn() -> Result<Connection, LineError> + Send + Sync>;

/// A place on another host.
pub struct FarEnd {
    host: String,
    place: Whereabouts,
    connect: Connect,
    cache: Option<PathBuf>,
    call: OnceLock<Result<Call, Failure>>,
}

/// A call that was taken.
struct Call {
    talk: Talk,
    _keep: Box<dyn Send + Sync>,
}

impl FarEnd {
    /// A place on a host that `connect` calls. In `cache`, a folder of this host, manifest nodes are kept for later runs.
    pub fn new(host: String, place: Whereabouts, connect: Connect, cache: Option<PathBuf>) -> Self {
        let mut far = Self { host, place, connect, cache, call: OnceLock::new() };
        far.host = shown(far.host.as_bytes());
        far
    }

    /// The conversation with the agent there; the first one calls it.
    pub fn talk(&self) -> Result<&Talk, Failure> {
        self.call.get_or_init(|| self.dial()).as_ref().map(|call| &call.talk).map_err(Clone::clone)
    }

    fn dial(&self) -> Result<Call, Failure> {
        let Connection { port, keep } = (self.connect)()?;
        let talk = Talk::new(self.host.clone(), port)?;
        match talk.ask(Ask::Bind(self.place.clone()), &mut |_| {})? {
            Answer::Done => Ok(Call { talk, _keep: keep }),
            _ => Err(talk.unfit()),
        }
    }

    fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        self.ask_told(ask, None, &Silent)
    }

    fn ask_told(&self, ask: Ask, history: Option<&dyn History>, monitor: &dyn Monitor) -> Result<Answer, Error> {
        let mut events = |event| tell(monitor, &self.host, event);
        Ok(self.talk()?.ask_giving(ask, history, &mut events)?)
    }

    fn opened(&self, ask: Ask, monitor: &dyn Monitor) -> Result<Box<dyn MirrorService + '_>, Error> {
        let mirror = FarMirror::open(self.talk()?, ask, self.cache.as_deref(), monitor)?;
        if mirror.role().target == self.place.target { Ok(Box::new(mirror)) } else { self.unfit() }
    }

    fn unfit<T>(&self) -> Result<T, Error> {
        Err(self.talk()?.unfit().into())
    }

    fn named(&self, path: &[u8]) -> String {
        format!("{}:{}", self.host, shown(path))
    }

    /// What the other end said of its own, as it is told here.
    fn said(&self, text: &str) -> String {
        format!("{}: {}", self.host, shown(text.as_bytes()))
    }
}

impl End for FarEnd {
    fn name(&self) -> String {
        self.named(&self.place.path)
    }

    fn store_name(&self) -> String {
        let usual = || home::usual_store(Path::new(OsStr::from_bytes(&self.place.path)));
        let store = self.place.store.clone();
        self.named(&store.unwrap_or_else(|| usual().as_os_str().as_bytes().to_vec()))
    }

    fn here(&self) -> Option<&Path> {
        None
    }

    fn store_here(&self) -> Option<PathBuf> {
        None
    }

    fn role(&self) -> Result<Option<Role>, Error> {
        match self.ask(Ask::Role)? {
            Answer::Role(role) => Ok(role),
            _ => self.unfit(),
        }
    }

    fn mirror_around(&self) -> Result<Option<Around>, Error> {
        match self.ask(Ask::MirrorAround)? {
            Answer::Around(around) => Ok(around.map(|a| Around { root: self.named(a.root.as_bytes()), ..a })),
            _ => self.unfit(),
        }
    }

    fn without_content(&self, dirs: &[RelPath]) -> Result<Option<String>, Error> {
        match self.ask(Ask::WithoutContent(dirs.to_vec()))? {
            Answer::Why(why) => Ok(why.map(|why| shown(why.as_bytes()))),
            _ => self.unfit(),
        }
    }

    fn records(&self) -> Result<Vec<Result<Record, String>>, Error> {
        let (mut all, mut last) = (Vec::new(), 0);
        for _ in 0..RECORDS_ANSWERS {
            let Answer::Records(records, more) = self.ask(Ask::Records(last))? else { return self.unfit() };
            let newest = records.last().map(|(number, _)| *number);
            all.extend(records.into_iter().map(|(_, record)| record.map_err(|why| self.said(&why))));
            match newest {
                _ if !more => return Ok(all),
                Some(newest) if newest > last => last = newest,
                _ => break,
            }
        }
        // It would never end.
        self.unfit()
    }

    fn pins(&self) -> Result<Vec<u64>, Error> {
        match self.ask(Ask::Pins)? {
            Answer::Sequences(pins) => Ok(pins),
            _ => self.unfit(),
        }
    }

    fn room(&self, settled: bool) -> Result<Room, Error> {
        match self.ask(Ask::Room(settled))? {
            Answer::Room(room) => Ok(room),
            _ => self.unfit(),
        }
    }

    fn room_for_history(&self, from: &dyn History) -> Result<Need, Error> {
        match self.ask(Ask::RoomForHistory(from.lengths()?))? {
            Answer::Need(need) => Ok(need),
            _ => self.unfit(),
        }
    }

    fn init(&self, random: u128) -> Result<(), Error> {
        match self.ask(Ask::Init(random))? {
            Answer::Done => Ok(()),
            _ => self.unfit(),
        }
    }

    fn init_after_swap(&self, from: &dyn History, random: u128, monitor: &dyn Monitor) -> Result<Imported, Error> {
        let ask = Ask::InitAfterSwap { random, name: from.name(), config: from.config() };
        match self.ask_told(ask, Some(from), monitor)? {
            Answer::Imported(imported) => Ok(imported),
            _ => self.unfit(),
        }
    }

    fn open<'a>(&'a self, monitor: &dyn Monitor) -> Result<Box<dyn MirrorService + 'a>, Error> {
        self.opened(Ask::Open, monitor)
    }

    fn open_to_read(&self) -> Result<Box<dyn MirrorService + '_>, Error> {
        self.opened(Ask::OpenToRead, &Silent)
    }

    fn history(&self) -> Result<Box<dyn History + '_>, Error> {
        Err(Error::Refused(format!(
            "{}: its history can be copied only by `backup` on that host: run this command there, or let the host where the history goes be reached \
             from there (nothing was written)",
            self.name()
        )))
    }

    fn begin_turn(&self) -> Result<Box<dyn Turning + '_>, Error> {
        Ok(Box::new(FarTurn::begin(self.talk()?)?))
    }
}
