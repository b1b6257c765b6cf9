//! `-mount` (floor 7).

use super::args::MountArgs;
use super::exit::Exit;
use super::out::stderr;
use super::{Failure, Session, time};
use crate::fs::clock;
use crate::ops::mount::{End, Options};
use crate::path::shown_path;
use crossbeam_channel::{Receiver, Sender};
use nix::sys::signal::{SigSet, Signal};
use serde_json::json;

pub(super) fn run(session: &Session, args: &MountArgs) -> Result<Exit, Failure> {
    let (target, out) = (session.found.target(&args.target)?, session.out);
    let stop = on_signals().map_err(|e| Failure { message: e.to_string(), exit: Exit::Failed })?;
    let place = shown_path(&args.place);
    let ready = |count: usize| {
        let text = format!("{}: {count} snapshots at {place}; to end it: ^C, or fusermount3 -u {place}", target.name);
        out.summary(&text, &json!({ "type": "mounted", "target": target.name, "place": place, "snapshots": count }));
    };
    let options = Options {
        place: args.place.clone(),
        others: args.allow_other,
        now: clock::now(),
        label: &time::label,
        stop: &stop,
        tell: &|message| stderr(&format!("backup: {}: {message}", target.name)),
        ready: &ready,
    };
    let end = session.hosts.mount(target, &options).map_err(|e| Failure::of(&target.name, &e))?;
    if end == End::Detached {
        stderr(&format!(
            "backup: {}: {place} is unmounted; somebody still works in it, and gets errors from now on",
            target.name
        ));
    }
    Ok(Exit::Done)
}

/// Says when the program is told to end. Threads that are started later leave these signals to the one here; a second signal ends the program as always.
fn on_signals() -> std::io::Result<Receiver<()>> {
    let ends: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    ends.thread_block()?;
    let (tell, told): (Sender<()>, _) = crossbeam_channel::bounded(1);
    let wait = move || {
        if ends.wait().is_ok() {
            let _over = tell.send(());
        }
        let _as_always = ends.thread_unblock();
        // As long as this thread is there, the next signal is for it.
        std::thread::park();
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(told)
}
