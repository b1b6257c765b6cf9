//! Several targets, some of them at the same time (floor 7).
//!
//! No two targets of a table write to the same place, so their runs have nothing in common but the terminal. What one of them ends with, be it a
//! panic, is its own.

use super::exit::Exit;
use super::out::{Out, stderr};
use crate::table::Target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs each target, at most `jobs` at the same time, begun in this order; gives the worst exit.
pub(super) fn each(targets: &[&Target], jobs: usize, out: Out, run: impl Fn(&Target) -> Exit + Sync) -> Exit {
    let next = AtomicUsize::new(0);
    let worst = Mutex::new(Exit::Done);
    let work = || {
        while let Some(&target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            // A run shares nothing that a panic could leave half done.
            let exit = catch_unwind(AssertUnwindSafe(|| run(target))).unwrap_or_else(|_| died(target, out));
            let mut worst = worst.lock().unwrap_or_else(PoisonError::into_inner);
            *worst = worst.worst(exit);
        }
    };
    thread::scope(|scope| {
        // This thread is one of them.
        for running in 1..jobs.min(targets.len()) {
            if let Err(e) = thread::Builder::new().spawn_scoped(scope, work) {
                stderr(&format!("backup: only {running} at the same time, more threads cannot be started: {e}"));
                break;
            }
        }
        work();
    });
    worst.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The panic itself has been told by whoever it happened to.
fn died(target: &Target, out: Out) -> Exit {
    let what = "ended by a mistake in backup itself; nothing is lost, as when it is killed: run it again, and report what is above";
    out.error_of(&target.name, &format!("{}: {what}", target.name));
    Exit::Failed
}

#[cfg(test)]
mod tests {
    use super::each;
    use crate::cli::exit::Exit;
    use crate::cli::out::Out;
    use crate::table::{Table, Target};
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Mutex};

    fn table(names: &[&str]) -> Table {
        let entry = |name: &&str| format!("TARGET {name}\nSOURCE /s/{name}\nMIRROR /m/{name}\nDIR d\n");
        let text: String = names.iter().map(entry).collect();
        Table::parse(text.as_bytes(), Path::new("backup.tab"), Path::new("/"), "here").unwrap()
    }

    fn run(names: &[&str], jobs: usize, run: impl Fn(&Target) -> Exit + Sync) -> Exit {
        let table = table(names);
        each(&table.targets.iter().collect::<Vec<_>>(), jobs, Out::new(false, false), run)
    }

    #[test]
    fn one_at_a_time_they_run_in_their_order_and_the_worst_counts() {
        let seen = Mutex::new(Vec::new());
        let exit = run(&["a", "b", "c"], 1, |target| {
            seen.lock().unwrap().push(target.name.clone());
            if target.name == "b" { Exit::Held } else { Exit::Done }
        });
        assert_eq!(exit, Exit::Held);
        assert_eq!(seen.into_inner().unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn as_many_run_at_the_same_time_as_were_asked_for_and_no_more() {
        // Each round waits for three: with fewer at the same time none would ever end.
        let (round, running, most) = (Barrier::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        let exit = run(&["a", "b", "c", "d", "e", "f"], 3, |_| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            round.wait();
            running.fetch_sub(1, Ordering::SeqCst);
            Exit::Done
        });
        assert_eq!((exit, most.into_inner()), (Exit::Done, 3));
    }

    #[test]
    fn a_panic_of_one_is_its_failure_and_the_others_run() {
        for jobs in [1, 2, 9] {
            let ended = AtomicUsize::new(0);
            let exit = run(&["a", "b", "c", "d"], jobs, |target| {
                assert_ne!(target.name, "b", "this panic is meant");
                ended.fetch_add(1, Ordering::SeqCst);
                Exit::Partial
            });
            assert_eq!((exit, ended.into_inner()), (Exit::Failed, 3), "{jobs} jobs");
        }
    }
}
