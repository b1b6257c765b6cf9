//! What is done on a volume, one step after the other, and what must be true when the power goes in it.

use super::site::{Acknowledged, Site};
use super::volume::tool;
use super::workload::{edit, meddle, plant, rewrite};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One command whose every moment is tried.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) words: String,
    pub(crate) ends: i32,
    /// The tree that it changes.
    pub(crate) tree: PathBuf,
    /// The listing of that tree before; and what it is when the command has carried out all.
    pub(crate) old: Option<&'static str>,
    pub(crate) new: &'static str,
    /// What the tree is when the next run has ended.
    pub(crate) goal: &'static str,
    /// What the snapshot of it holds.
    pub(crate) taken: &'static str,
    pub(crate) again: Again,
}

/// What is done after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The command itself.
    Same,
    /// `-backup`, which is held, for what was changed on the mirror is still there; `-approve` then carries it out.
    Held,
    /// `-backup`, which may be held.
    MayBeHeld,
}

pub(crate) const STEPS: [fn(&mut Site) -> Step; 9] =
    [first, night, second_night, held, approved, restored, restored_elsewhere, adopted, pruned];

impl Step {
    pub(crate) fn store(&self, site: &Site) -> PathBuf {
        self.mirror(site).join(".backup/store")
    }

    pub(crate) fn mirror(&self, site: &Site) -> PathBuf {
        site.on_volume(if self.target == "data" { "mirror" } else { self.target })
    }
}

fn data(site: &Site, name: &'static str, old: Option<&'static str>, new: &'static str) -> Step {
    Step {
        name,
        target: "data",
        words: "-backup data".to_owned(),
        ends: 0,
        tree: site.on_volume("mirror"),
        old,
        new,
        goal: new,
        taken: new,
        again: Again::Same,
    }
}

fn first(site: &mut Site) -> Step {
    let source = site.source();
    plant(&source, &mut site.rng);
    site.judge.remember("s1", &source);
    Step { words: "-backup --init data".to_owned(), ..data(site, "first", None, "s1") }
}

fn edited(site: &mut Site, name: &str) {
    let source = site.source();
    edit(&source, &mut site.rng);
    site.judge.remember(name, &source);
}

fn night(site: &mut Site) -> Step {
    edited(site, "s2");
    data(site, "night", Some("s1"), "s2")
}

fn second_night(site: &mut Site) -> Step {
    edited(site, "s3");
    data(site, "second night", Some("s2"), "s3")
}

/// Somebody worked on the mirror: the run saves that and is held.
fn held(site: &mut Site) -> Step {
    edited(site, "s4");
    let mirror = site.on_volume("mirror");
    site.mounted(|site| {
        meddle(&mirror, &mut site.rng);
        site.judge.remember("m4", &mirror);
    });
    Step { ends: 3, goal: "s4", taken: "s4", again: Again::Held, ..data(site, "held", Some("m4"), "m4") }
}

fn approved(site: &mut Site) -> Step {
    Step { words: "-approve data".to_owned(), again: Again::MayBeHeld, ..data(site, "approved", Some("m4"), "s4") }
}

/// An older night in place of newer work, which no night has seen.
fn restored(site: &mut Site) -> Step {
    let work = site.on_volume("work");
    site.mounted(|site| {
        plant(&work, &mut site.rng);
        for (sequence, name, words) in [(1, "h1", "-backup --init here"), (2, "h2", "-backup here")] {
            site.judge.remember(name, &work);
            site.program(words).ended(&[0]).unwrap_or_else(|why| panic!("{why}"));
            let store = site.on_volume("here/.backup/store");
            site.acknowledged.push(Acknowledged { store, sequence, listing: name.to_owned() });
            edit(&work, &mut site.rng);
        }
        site.judge.remember("h3", &work);
    });
    let words = "-restore here --snapshot 1 --delete".to_owned();
    Step { target: "here", words, tree: work, ..data(site, "restored", Some("h3"), "h1") }
}

fn restored_elsewhere(site: &mut Site) -> Step {
    let tree = site.on_volume("to");
    let words = format!("-restore here --snapshot 2 --to {}", tree.display());
    Step { target: "here", words, tree, ..data(site, "restored elsewhere", None, "h2") }
}

/// A tree that another program made, and on which somebody worked.
fn adopted(site: &mut Site) -> Step {
    let (source, tree) = (site.source(), site.on_volume("adopted"));
    site.mounted(|site| {
        copy(&source, &tree);
        meddle(&tree, &mut site.rng);
        site.judge.remember("a8", &tree);
    });
    let words = "-backup --init adopted".to_owned();
    Step { target: "adopted", words, tree, ..data(site, "adopted", Some("a8"), "s4") }
}

/// Of five nights in which only content changed the last two stay.
fn pruned(site: &mut Site) -> Step {
    let (source, store) = (site.old_source(), site.on_volume("old/.backup/store"));
    plant(&source, &mut site.rng);
    site.mounted(|site| {
        for (sequence, name) in [(1, "p1"), (2, "p2"), (3, "p3"), (4, "p4"), (5, "p5")] {
            let words = if sequence == 1 { "-backup --init old" } else { "-backup old" };
            site.judge.remember(name, &source);
            site.program(words).ended(&[0]).unwrap_or_else(|why| panic!("{why}"));
            if sequence > 3 {
                site.acknowledged.push(Acknowledged { store: store.clone(), sequence, listing: name.to_owned() });
            }
            if sequence < 5 {
                rewrite(&source, &mut site.rng);
            }
        }
    });
    let words = "-prune old".to_owned();
    Step { target: "old", words, tree: site.on_volume("old"), ..data(site, "pruned", Some("p5"), "p5") }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    tool(Command::new("cp").arg("-a").arg(from.join("d")).arg(to));
}
