//! The tracer proves itself before anything is believed of it: a kill before a call, one after it, an error of it, and half of a write.

use crate::judge::Judge;
use crate::trace::{self, Ended, Fault, Ran};
use crate::world::World;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::path::Path;

const INIT: &str = "-backup --init data";
/// Calls at the beginning of a first run among which each kind is found.
const FIRST: u64 = 60;

/// The first of the calls of a first run that is this one, with a path that ends so: what a fault at it does.
fn at(call: &str, end: &str, fault: Fault, root: &Path, judge: &mut Judge) -> (Ran, String, bool) {
    for at in 1..=FIRST {
        let world = World::new(root.to_path_buf(), 1, judge);
        let ran = trace::run(&mut world.command(INIT), fault, at, true);
        let hit = ran.hit.as_ref().filter(|hit| hit.call.shown() == call && hit.path.ends_with(end));
        let Some(path) = hit.map(|hit| hit.path.clone()) else { continue };
        return (ran, world.said(), Path::new(&path).exists());
    }
    panic!("no {call} of a path that ends with {end} among the first {FIRST} calls");
}

/// Panics when a fault does not do what its name says.
pub(crate) fn prove(root: &Path) {
    let mut judge = Judge::new();
    let mut try_it = |call, end, fault| at(call, end, fault, root, &mut judge);
    let killed = Ended::Signal(Signal::SIGKILL);
    let (before, _, is_made) = try_it("mkdirat", "/mir/.backup", Fault::KillBefore);
    assert!(before.ended == killed && !is_made, "killed before: {before:?}, made: {is_made}");
    let (after, _, is_made) = try_it("mkdirat", "/mir/.backup", Fault::KillAfter);
    assert!(after.ended == killed && is_made, "killed after: {after:?}, made: {is_made}");
    let (failed, said, is_made) = try_it("mkdirat", "/mir/.backup", Fault::Once(Errno::EIO));
    let told = said.contains("/mir/.backup") && said.contains("Input/output error");
    assert!(failed.ended == Ended::Exit(2) && !is_made && told, "an error: {failed:?}, made: {is_made}: {said}");
    let (ever, said, _) = try_it("rename", "/.backup/tmp-README", Fault::Ever(Errno::ENOSPC));
    assert!(ever.ended == Ended::Exit(2) && said.contains("No space left"), "errors for ever: {ever:?}: {said}");
    let (short, said, _) = try_it("write", "/store/tmp-config", Fault::Short);
    assert!(short.ended == Ended::Exit(0), "half of a write: {short:?}: {said}");
    std::fs::remove_dir_all(root).ok();
}
