//! `.backup/role`: which target's mirror this is and which snapshot its tree holds (format-spec.md, 10; floor 1).

use super::config::StoreId;
use super::{Error, text};
use crate::entry::Time;
use serde::{Deserialize, Serialize};

const TITLE: &str = "backup role";
const WHAT: &str = "the role of a mirror";

/// What the mirror tree holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Nothing was put here yet.
    Empty,
    /// Exactly this snapshot.
    Clean(u64),
    /// A run was changing it from the first snapshot (0: from nothing) to the second, and may not have ended.
    Publishing(u64, u64),
    /// It is live data since a swap, when it held this snapshot (0: none); nothing may write to it as to a mirror. Numbers go on across swaps: of two
    /// ends that were promoted, the one with the larger number is live.
    Promoted(u64),
}

/// The whole file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Role {
    /// Name of the target in backup.tab.
    pub target: String,
    /// The store that belongs to this mirror.
    pub store: StoreId,
    /// What the tree holds.
    pub state: State,
    /// When this was written, by the clock of the mirror's host: what has a later ctime was not written by the program.
    pub at: Time,
}

impl Role {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let state = match self.state {
            State::Empty => "empty".to_owned(),
            State::Clean(n) => format!("clean {n}"),
            State::Publishing(from, to) => format!("publishing {from} {to}"),
            State::Promoted(n) => format!("promoted {n}"),
        };
        let lines = [
            ("target", self.target.clone()),
            ("store", self.store.to_string()),
            ("end", "mirror".to_owned()),
            ("state", state),
            ("at", format!("{}.{:09}", self.at.seconds, self.at.nanoseconds)),
        ];
        text::seal(TITLE, &lines)
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let invalid = || Error::Invalid(WHAT);
        let mut lines = text::open(bytes, TITLE, WHAT)?;
        let target = lines.value("target")?.to_owned();
        let store = StoreId::parse(lines.value("store")?).ok_or_else(invalid)?;
        if lines.value("end")? != "mirror" {
            return Err(invalid());
        }
        let state = parse_state(lines.value("state")?).ok_or_else(invalid)?;
        let at = parse_time(lines.value("at")?).ok_or_else(invalid)?;
        Ok(Self { target, store, state, at })
    }
}

fn parse_state(text: &str) -> Option<State> {
    let mut words = text.split(' ');
    let name = words.next()?;
    let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    match (name, numbers.as_slice()) {
        ("empty", []) => Some(State::Empty),
        ("promoted", [n]) => Some(State::Promoted(*n)),
        ("clean", [n]) => Some(State::Clean(*n)),
        ("publishing", [from, to]) => Some(State::Publishing(*from, *to)),
        _ => None,
    }
}

fn parse_time(text: &str) -> Option<Time> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    let time = Time { seconds: seconds.parse().ok()?, nanoseconds: nanoseconds.parse().ok()? };
    (nanoseconds.len() == 9 && time.nanoseconds < 1_000_000_000).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::{Role, State};
    use crate::entry::Time;
    use crate::format::config::StoreId;

    #[test]
    fn every_state_reads_back() {
        for state in [State::Empty, State::Clean(42), State::Publishing(0, 1), State::Promoted(42)] {
            let at = Time { seconds: 1_069_124_400, nanoseconds: 7 };
            let role = Role { target: "elixir".to_owned(), store: StoreId(7), state, at };
            assert_eq!(Role::decode(&role.encode()), Ok(role));
        }
    }
}
