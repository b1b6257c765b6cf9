//! The attacker: somebody who may write to every folder of a tree swaps what is in it, by descriptors and in threads of its own, as fast as it can.

use crate::canary::{AWAY, Canary};
use crate::random::Random;
use crate::site;
use crate::spot::Kind::Away;
use crate::spot::{ALL, Held, Level, Spot, spots};
use crate::vault::Vault;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const THREADS: usize = 2;
/// So often it is looked whether the program has begun to write.
const GLANCE: Duration = Duration::from_micros(50);

/// What an attacker is told, and tells.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Whether the program is running: only then swaps count.
    pub(crate) running: AtomicBool,
    /// Whether to end.
    pub(crate) over: AtomicBool,
    /// Swaps that were made.
    pub(crate) swaps: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Attack {
    spots: Vec<Spot>,
    trees: Vec<PathBuf>,
    vault: Arc<Vault>,
}

impl Attack {
    /// On these trees in a folder, at these levels.
    pub(crate) fn new(folder: &Path, trees: &[&str], levels: &[Level], canary: &Canary) -> Self {
        let vault = Arc::new(Vault::new(&folder.join("vault")));
        let mut attack = Self { spots: Vec::new(), trees: Vec::new(), vault };
        fs::create_dir_all(folder.join("beside")).unwrap();
        let waiting = site::open(folder, "beside").unwrap();
        let mut pens = 0;
        for tree in trees {
            let root = folder.join(tree);
            for (kind, path) in spots(levels) {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
                let beside = if kind == Away { canary.open_pen(pens) } else { waiting.try_clone().unwrap() };
                pens += usize::from(kind == Away);
                let lure = if kind == Away { AWAY.to_owned() } else { format!("{tree} {}", path.replace('/', " ")) };
                let (root, lead) = (root.clone(), canary.root().join(&path));
                let (above, name, vault) = (above.to_owned(), name.to_owned(), Arc::clone(&attack.vault));
                attack.spots.push(Spot { kind, root, above, name, lead, beside, lure, vault });
            }
            attack.trees.push(root);
        }
        attack
    }

    /// The pens that all of them together need.
    pub(crate) fn pens(trees: usize) -> usize {
        trees * spots(ALL).iter().filter(|(kind, _)| *kind == Away).count()
    }

    /// Puts everything where it is at rest, as far as it is still there, and makes the lures that are missing.
    pub(crate) fn settle(&self) {
        for spot in &self.spots {
            spot.settle();
        }
    }

    /// Nothing of another user was given away.
    pub(crate) fn is_nothing_taken(&self) -> Result<(), String> {
        self.vault.is_untouched()
    }

    /// Whether the program has begun to write to one of the trees.
    fn is_written_to(&self) -> bool {
        self.trees
            .iter()
            .any(|tree| ["making", "ready"].iter().any(|name| tree.join(".backup/stage").join(name).exists()))
    }

    /// Attacks until it is over, from the beginning or only when the program writes. To be settled before.
    pub(crate) fn during<T>(&self, signals: &Signals, late: bool, random: &mut Random, work: impl FnOnce() -> T) -> T {
        let mut shares: Vec<Vec<Held<'_>>> = (0..THREADS).map(|_| Vec::new()).collect();
        for (number, held) in self.spots.iter().filter_map(Spot::hold).enumerate() {
            shares[number % THREADS].push(held);
        }
        std::thread::scope(|scope| {
            for share in shares {
                let seed = random.next();
                scope.spawn(move || self.swap(share, signals, late, Random::new(seed)));
            }
            let done = work();
            signals.over.store(true, Relaxed);
            done
        })
    }

    fn swap(&self, mut share: Vec<Held<'_>>, signals: &Signals, late: bool, mut random: Random) {
        while late && !signals.over.load(Relaxed) && !self.is_written_to() {
            std::thread::sleep(GLANCE);
        }
        while !signals.over.load(Relaxed) && !share.is_empty() {
            let (length, mut at) = (1 + random.below(*random.clone().pick(&[1, 4, 32, 64])), random.below(share.len()));
            let flickers = random.one_in(2);
            for _ in 0..length {
                if signals.over.load(Relaxed) {
                    break;
                }
                if share[at].swap() {
                    signals.swaps.fetch_add(u64::from(signals.running.load(Relaxed)), Relaxed);
                } else {
                    share[at].mend();
                }
                if !flickers {
                    at = random.below(share.len());
                }
            }
            // So long that the program is not starved, and that all is at rest now and then.
            std::thread::sleep(Duration::from_micros(random.next() % *random.clone().pick(&[1, 200, 2000])));
        }
    }
}
