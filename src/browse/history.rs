//! The list of the snapshots, which may grow and shrink while it is browsed (floor 3).

use super::Error;
use super::number::SEQUENCE_MAX;
use super::title::{Label, Snapshot};
use crate::format::snapshot::{Kind, Record};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long the list is not asked for again.
const FRESH: Duration = Duration::from_millis(500);

/// Where the records are. What cannot be given is said in words.
pub trait Records: Sync {
    /// The numbers of all snapshots, ascending, as they are now.
    fn sequences(&self) -> Result<Vec<u64>, String>;

    /// One of them.
    fn record(&self, sequence: u64) -> Result<Record, String>;
}

/// The snapshots by number; where one cannot be read, none.
type Known = BTreeMap<u64, Option<Arc<Snapshot>>>;

/// The snapshots.
pub struct History<'s> {
    records: &'s dyn Records,
    label: &'s Label<'s>,
    tell: &'s (dyn Fn(&str) + Sync),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Known,
    listed: Option<Instant>,
}

impl<'s> History<'s> {
    /// Over these records. What cannot be read is told of.
    pub fn new(records: &'s dyn Records, label: &'s Label<'s>, tell: &'s (dyn Fn(&str) + Sync)) -> Self {
        Self { records, label, tell, state: Mutex::default() }
    }

    /// All snapshots as they are now, oldest first.
    pub fn all(&self) -> Result<Vec<Arc<Snapshot>>, Error> {
        self.with(|known| known.values().flatten().cloned().collect())
    }

    /// One of them, if it is there now.
    pub fn named(&self, name: &[u8]) -> Result<Option<Arc<Snapshot>>, Error> {
        let Some(sequence) = Snapshot::sequence_in(name) else { return Ok(None) };
        let found = self.with(|known| known.get(&sequence).cloned().flatten())?;
        Ok(found.filter(|snapshot| snapshot.title.as_bytes() == name))
    }

    /// The newest of the source.
    pub fn latest(&self) -> Result<Option<Arc<Snapshot>>, Error> {
        let is_backup = |snapshot: &&Arc<Snapshot>| snapshot.kind == Kind::Backup;
        self.with(|known| known.values().rev().flatten().find(is_backup).cloned())
    }

    /// One by its number, as the list was when it was last asked for: its number was given to somebody.
    pub fn get(&self, sequence: u64) -> Result<Arc<Snapshot>, Error> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.known.get(&sequence).cloned().flatten();
        drop(state);
        // A number of an earlier program may be asked for, before any list was.
        let found = if known.is_some() { known } else { self.with(|known| known.get(&sequence).cloned().flatten())? };
        found.ok_or(Error::Gone(sequence))
    }

    fn with<T>(&self, read: impl FnOnce(&Known) -> T) -> Result<T, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.listed.is_none_or(|listed| listed.elapsed() >= FRESH) {
            match self.records.sequences() {
                Ok(sequences) => state.known = self.list(&sequences, &state.known),
                // What was known can still be browsed, perhaps.
                Err(why) if !state.known.is_empty() => (self.tell)(&why),
                Err(why) => return Err(Error::Unlisted(why)),
            }
            state.listed = Some(Instant::now());
        }
        Ok(read(&state.known))
    }

    fn list(&self, sequences: &[u64], known: &Known) -> Known {
        let read = |sequence: u64| match self.records.record(sequence) {
            Ok(record) => Some(Arc::new(Snapshot::new(&record, self.label))),
            Err(why) => {
                (self.tell)(&why);
                None
            }
        };
        let fits = sequences.iter().copied().filter(|sequence| (1..=SEQUENCE_MAX).contains(sequence));
        fits.map(|sequence| (sequence, known.get(&sequence).cloned().unwrap_or_else(|| read(sequence)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{FRESH, History, Records};
    use crate::browse::Error;
    use crate::entry::{ChunkRef, Time};
    use crate::format::snapshot::{Kind, Record, Totals};
    use crate::id::Id;
    use std::sync::Mutex;

    /// Numbers and kinds, and how often records were read.
    struct Shelf(Mutex<(Vec<(u64, Kind)>, usize)>);

    impl Records for Shelf {
        fn sequences(&self) -> Result<Vec<u64>, String> {
            let shelf = self.0.lock().unwrap();
            if shelf.0.is_empty() { Err("no disk".to_owned()) } else { Ok(shelf.0.iter().map(|(n, _)| *n).collect()) }
        }

        fn record(&self, sequence: u64) -> Result<Record, String> {
            let mut shelf = self.0.lock().unwrap();
            shelf.1 += 1;
            let kind = shelf.0.iter().find(|(n, _)| *n == sequence).map(|(_, kind)| *kind);
            let kind = kind.filter(|_| sequence != 13).ok_or_else(|| format!("{sequence} is damaged"))?;
            Ok(Record {
                sequence,
                kind,
                time: Time { seconds: i64::try_from(sequence).unwrap() * 86_400, nanoseconds: 0 },
                parent: None,
                target: Vec::new(),
                source: Vec::new(),
                dirs: Vec::new(),
                root: ChunkRef { id: Id::of(b""), length: 1 },
                totals: Totals::default(),
                users: Vec::new(),
                groups: Vec::new(),
                note: Vec::new(),
            })
        }
    }

    fn label(time: Time) -> String {
        format!("1970-01-{:02}T00:00", time.seconds / 86_400 + 1)
    }

    #[test]
    fn snapshots_come_and_go() {
        let shelf = Shelf(Mutex::new((vec![(1, Kind::Backup), (2, Kind::Rescue), (13, Kind::Backup)], 0)));
        let told = Mutex::new(Vec::new());
        let tell = |message: &str| told.lock().unwrap().push(message.to_owned());
        let history = History::new(&shelf, &label, &tell);
        let titles = || history.all().unwrap().iter().map(|s| s.title.clone()).collect::<Vec<_>>();
        assert_eq!(titles(), ["000001-1970-01-02T00:00", "000002-1970-01-03T00:00-rescue"]);
        assert_eq!(*told.lock().unwrap(), ["13 is damaged"]);
        assert_eq!(history.latest().unwrap().unwrap().sequence, 1);
        shelf.0.lock().unwrap().0 = vec![(2, Kind::Rescue), (3, Kind::Backup)];
        assert_eq!(titles().len(), 2);
        std::thread::sleep(FRESH);
        assert_eq!(titles(), ["000002-1970-01-03T00:00-rescue", "000003-1970-01-04T00:00"]);
        assert_eq!(shelf.0.lock().unwrap().1, 4, "a record is read once");
        assert_eq!(history.latest().unwrap().unwrap().sequence, 3);
        assert!(matches!(history.get(1), Err(Error::Gone(1))));
        assert!(history.named(b"000003-1970-01-04T00:00").unwrap().is_some());
        assert!(history.named(b"000003-1970-01-05T00:00").unwrap().is_none());
        shelf.0.lock().unwrap().0.clear();
        std::thread::sleep(FRESH);
        assert_eq!(titles().len(), 2, "what was known stays");
        assert_eq!(told.lock().unwrap().last().map(String::as_str), Some("no disk"));
    }
}
