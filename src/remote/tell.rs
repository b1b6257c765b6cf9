//! What a client says and tells in one way everywhere (floor 5): parts of a tree, events, the end of what was opened.

use super::message::{Ask, Event, Part};
use super::talk::Talk;
use crate::monitor::Monitor;
use crate::scan::selection::Selection;
use std::time::Duration;

/// So long it is waited until the other end has given a lock back.
const LET_GO: Duration = Duration::from_secs(3);

/// A selection as it is said.
pub fn part(selection: &Selection) -> Part {
    Part { tops: selection.tops().to_vec(), excludes: selection.excludes().to_vec() }
}

/// Tells a monitor what happens on another host.
pub fn tell(monitor: &dyn Monitor, host: &str, event: Event) {
    // What is known to the room above belongs to errands.
    let _of_no_errand = tell_named(
        monitor,
        match event {
            Event::Wrong(message) => Event::Wrong(format!("{host}: {message}")),
            Event::Note(message) => Event::Note(format!("{host}: {message}")),
            event => event,
        },
    );
}

/// Tells a monitor what names its host already; gives what only the room above knows.
pub fn tell_named(monitor: &dyn Monitor, event: Event) -> Option<Vec<u8>> {
    match event {
        Event::Begin(phase, files, bytes) => monitor.begin(phase, files, bytes),
        Event::Advance(files, bytes) => monitor.advance(files, bytes),
        Event::Problem(path, message) => monitor.problem(&path, &message),
        Event::Wrong(message) => monitor.wrong(&message),
        Event::Note(message) => monitor.note(&message),
        Event::Other(bytes) => return Some(bytes),
    }
    None
}

/// Ends what was opened. Where that cannot be said, the other end notices that we have gone.
pub fn let_go(talk: &Talk) {
    if let Ok(pending) = talk.begin(Ask::Close) {
        let _given_back = pending.wait_for(LET_GO);
    }
}
