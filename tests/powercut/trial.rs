//! One step: recorded once, then cut at many moments; each state is mounted, judged, recovered from and judged again.
//!
//! What must stay true: a state that was not judged is not counted, and the disk is as it was when a state is done with.

use super::antagonist::Antagonist;
use super::cuts::{Cut, choose, position, redo};
use super::disk::{Event, Mark};
use super::due::{Due, When};
use super::recorder::lock;
use super::site::{Acknowledged, Site};
use super::steps::Step;
use super::tally::{Found, Tally};
use std::time::Duration;

/// How long the antagonist goes on alone before and after the command.
const MARGIN: Duration = Duration::from_millis(15);
/// Power cuts in one recovery.
pub(crate) const SECOND_CUTS: usize = 2;
/// More cuts than wanted, for those that a file system does not survive itself.
const SPARE: usize = 4;

/// What is tried of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// At most so many states.
    pub(crate) states: usize,
    /// The recovery of each so many-th is cut, too.
    pub(crate) double: usize,
}

/// What is wrong with a state.
enum Bad {
    /// The file system itself is.
    Mount(String),
    /// A promise is broken.
    Promise(String),
}

pub(crate) struct Trial<'a> {
    pub(crate) site: &'a mut Site,
    pub(crate) step: &'a Step,
    pub(crate) seed: u64,
    pub(crate) tally: &'a Tally,
}

impl Trial<'_> {
    /// Records the step and tries its states; whether the step went well undisturbed, so that another can follow.
    pub(crate) fn run(&mut self, share: Share) -> bool {
        let (log, new) = match self.record() {
            Ok(recorded) => recorded,
            Err(why) => {
                let _counts = self.note(Found::Undisturbed, "undisturbed", Err(Bad::Promise(why)));
                return false;
            }
        };
        let mark = |mark| position(&log, mark).unwrap_or_else(|| panic!("no {mark:?} in the log"));
        let store = self.step.store(self.site);
        let earlier: Vec<_> = self.site.acknowledged.iter().filter(|a| a.store == store).cloned().collect();
        let mut rng = self.site.rng.fork();
        let mut at = 0;
        let mut states = 0;
        for cut in choose(&log, mark(Mark::Begin)..mark(Mark::End), share.states + SPARE, &mut rng) {
            if states >= share.states || self.tally.is_over(self.site.volume.fs) {
                break;
            }
            redo(&log[at..cut.durable], &mut lock(&self.site.volume.disk));
            at = cut.durable;
            let when = if cut.until > mark(Mark::Acknowledged) { When::After } else { When::During };
            let new = new.iter().filter(|_| when == When::After);
            let due = Due { step: self.step, when, acknowledged: earlier.iter().chain(new).cloned().collect() };
            states += usize::from(self.cut(&due, &log, cut, states % share.double == 0, &mut rng));
        }
        redo(&log[at..], &mut lock(&self.site.volume.disk));
        self.site.acknowledged.extend(new);
        true
    }

    /// Carries the step out and gives what came to the disk, which is then as before, and what was acknowledged.
    fn record(&mut self) -> Result<(Vec<Event>, Vec<Acknowledged>), String> {
        let (site, step) = (&mut *self.site, self.step);
        let store = step.store(site);
        let known: Vec<u64> = site.acknowledged.iter().filter(|a| a.store == store).map(|a| a.sequence).collect();
        let mut disk = lock(&site.volume.disk);
        disk.push();
        disk.begin_log();
        drop(disk);
        let taken: Result<Vec<(u64, String)>, String> = site.mounted(|site| {
            let antagonist = Antagonist::start(&site.volume.place);
            std::thread::sleep(MARGIN);
            site.volume.mark(Mark::Begin);
            let ran = site.program(&step.words);
            site.volume.mark(Mark::Acknowledged);
            std::thread::sleep(MARGIN);
            site.volume.mark(Mark::End);
            drop(antagonist);
            ran.ended(&[step.ends])?;
            site.judge.tree(&step.tree, step.new)?;
            let mut all = site.snapshots(step.target);
            all.retain(|(sequence, kind)| kind != "rescue" && !known.contains(sequence));
            Ok(all)
        });
        let mut disk = lock(&site.volume.disk);
        disk.cut_to(0);
        let listing = step.taken.to_owned();
        let log = disk.end_log();
        let new = |(sequence, _)| Acknowledged { store: store.clone(), sequence, listing: listing.clone() };
        Ok((log, taken?.into_iter().map(new).collect()))
    }

    /// One cut, and with `double` some in the recovery from it. Whether it counts.
    fn cut(&mut self, due: &Due<'_>, log: &[Event], cut: Cut, double: bool, rng: &mut fastrand::Rng) -> bool {
        let fs = self.site.volume.fs;
        self.lay(&[], log, cut);
        if double {
            lock(&self.site.volume.disk).begin_log();
        }
        let verdict = self.judged(due, double);
        let recovery = lock(&self.site.volume.disk).end_log();
        let is_good = verdict.is_ok();
        let counts = self.note(Found::Cut(cut), &cut.to_string(), verdict);
        lock(&self.site.volume.disk).cut_to(1);
        if double && is_good {
            let due = Due { when: When::InRecovery, ..due.clone() };
            let end = position(&recovery, Mark::Acknowledged).unwrap_or(recovery.len());
            let cuts = choose(&recovery, 0..end, usize::MAX, rng);
            for second in rng.choose_multiple(cuts.iter(), SECOND_CUTS) {
                if self.tally.is_over(fs) {
                    break;
                }
                self.lay(&recovery[..second.durable], &recovery, *second);
                let verdict = self.judged(&due, false);
                let _counts =
                    self.note(Found::SecondCut(*second), &format!("{cut}; then, in the recovery, {second}"), verdict);
                lock(&self.site.volume.disk).cut_to(1);
            }
        }
        lock(&self.site.volume.disk).cut_to(0);
        counts
    }

    /// Lays what a cut leaves onto the disk, as one layer.
    fn lay(&self, durable: &[Event], log: &[Event], cut: Cut) {
        let mut disk = lock(&self.site.volume.disk);
        disk.push();
        redo(durable, &mut disk);
        cut.lay(log, &mut disk);
    }

    /// Mounts the state, judges it, lets the program recover and judges that. All that is written by this lies in a layer of its own.
    fn judged(&mut self, due: &Due<'_>, annoyed: bool) -> Result<(), Bad> {
        lock(&self.site.volume.disk).push();
        self.site.volume.mount().map_err(Bad::Mount)?;
        let site = &mut *self.site;
        let antagonist = annoyed.then(|| Antagonist::start(&site.volume.place));
        let at_once = due.at_once(site);
        let recovered = at_once.and_then(|()| due.recover(site));
        site.volume.mark(Mark::Acknowledged);
        drop(antagonist);
        let verdict = recovered.and_then(|()| due.at_last(site));
        self.site.volume.unmount();
        verdict.map_err(Bad::Promise)
    }

    /// A file system that relies on whole blocks where the disk only has whole sectors may be lost itself: that is none of ours, and no state.
    fn note(&self, found: Found, what: &str, verdict: Result<(), Bad>) -> bool {
        let Self { site, step, seed, tally } = self;
        let fs = site.volume.fs;
        let verdict = match (verdict, found) {
            (Err(Bad::Mount(_)), Found::Cut(cut) | Found::SecondCut(cut)) if cut.tears_blocks() => {
                tally.note_lost(fs);
                return false;
            }
            (Err(Bad::Mount(why) | Bad::Promise(why)), _) => Err(why),
            (Ok(()), _) => Ok(()),
        };
        let verdict = verdict.map_err(|why| format!("{fs}, seed {seed}, {}: {what}\n    {why}", step.name));
        tally.note(fs, found, verdict, &lock(&site.volume.disk));
        true
    }
}
