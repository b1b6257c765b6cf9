//! The words of the command line (floor 7). Commands are typed as the observatory always has, `-backup`; the bare word works too.

use super::exit::Exit;
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// What `backup` alone prints.
pub(super) const USAGE: &str = "\
USAGE: backup (command) [target] [options]
  backup -targets                            : list available targets
  backup -status    (target)                 : list settings for target
  backup -backup    (target)... | --all [--jobs N] [--init] [--dry-run] [--reread]
                                             : copy data from disk to mirror, and keep the night
  backup -restore   (target) [path...] [--snapshot N | --at TIME] [--to PLACE] [--delete] [--dry-run]
                                             : restore mirror, or any night, to disk
  backup -check     (target) [--data]        : are mirror and store in order?
  backup -snapshots (target)                 : list the nights that can be restored
  backup -list      (target) [path] [--snapshot N | --at TIME] [-r]
                                             : list the files of a night
  backup -find      (target) (pattern)       : every version of a file, and in which nights it is
  backup -diff      (target) (A) (B) [path...]
                                             : what differs; A, B: a night's number, latest, source, mirror
  backup -mount     (target) (mountpoint)    : browse every night as plain folders
  backup -approve   (target) [N]             : carry out a held run
  backup -swap      (target)                 : fail over: the mirror becomes the disk
  backup -prune     (target) [--dry-run] [--max-rewrite SIZE]
                                             : drop nights that KEEP does not keep, and free their space
  backup -pin       (target) N               : keep a night whatever KEEP says; -unpin takes that back
  options: --tab FILE  --bwlimit RATE  --json  --quiet  --verbose  --help  --version
backup (command) --help explains each.";

/// A plain mirror of an archive, and behind it every earlier night.
#[derive(Parser, Debug)]
#[command(
    name = "backup",
    version,
    disable_help_subcommand = true,
    override_usage = "backup -COMMAND [TARGET] [OPTIONS]"
)]
pub(super) struct Args {
    /// The table; else $`BACKUP_TAB`, backup.tab beside the program, ./backup.tab, /etc/backup.tab
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) tab: Option<PathBuf>,
    /// Bytes a second on the way to and from other hosts: 500K, 2M or 1G, and K is 1024; without a letter it is K, as rsync has it
    #[arg(long, global = true, value_name = "RATE")]
    pub(super) bwlimit: Option<String>,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print problems only
    #[arg(long, global = true)]
    pub(super) quiet: bool,
    /// Print every problem, however many
    #[arg(long, global = true)]
    pub(super) verbose: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// List available targets
    #[command(override_usage = "backup -targets")]
    Targets,
    /// List the settings of a target; contacts no host
    #[command(override_usage = "backup -status TARGET")]
    Status {
        /// Name of the target in backup.tab
        target: String,
    },
    /// Copy what is new on SOURCE into the store, and make the mirror tree equal SOURCE
    #[command(override_usage = "backup -backup TARGET... | --all [--jobs N] [--init] [--dry-run] [--reread]")]
    Backup(BackupArgs),
    /// Carry out a run that was held: the mirror becomes what SOURCE was then
    #[command(override_usage = "backup -approve TARGET [N]")]
    Approve {
        /// Name of the target in backup.tab
        target: String,
        /// Number of the held snapshot; the newest, when left out
        number: Option<u64>,
    },
    /// Bring back files as they were at a snapshot; what is overwritten is saved first
    #[command(
        override_usage = "backup -restore TARGET [PATH...] [--snapshot N | --at TIME] [--to PLACE] [--delete] [--dry-run]"
    )]
    Restore(RestoreArgs),
    /// Check store and mirror, and compare SOURCE with its newest snapshot
    #[command(override_usage = "backup -check TARGET [--data]")]
    Check {
        /// Name of the target in backup.tab
        target: String,
        /// Read and hash all content, of the store and of the mirror
        #[arg(long)]
        data: bool,
    },
    /// Fail over: the mirror becomes SOURCE, in backup.tab too, and takes no more backups until the other disk is back
    ///
    /// Needs nothing of the SOURCE that was. Then point the automount at the new SOURCE. When the other disk is back, or a new one: backup -backup
    /// --init TARGET makes it the mirror; what lies on it is saved first, and the history is copied to it. A swap that was a mistake is taken back
    /// by a second one, as long as the other end has not been made the mirror.
    #[command(override_usage = "backup -swap TARGET")]
    Swap {
        /// Name of the target in backup.tab
        target: String,
    },
    /// Drop the snapshots that KEEP does not keep, and give back the room that only they needed
    ///
    /// Pinned ones, the newest, the one on the mirror, and rescue and held ones younger than 90 days always stay; so does for a year (KEEP lastcopy) what is the last
    /// to have some path. Without KEEP everything stays. Times that are not in order are not believed: no snapshot goes because of a clock.
    #[command(override_usage = "backup -prune TARGET [--dry-run] [--max-rewrite SIZE|PERCENT]")]
    Prune(PruneArgs),
    /// Keep a snapshot whatever KEEP says
    #[command(override_usage = "backup -pin TARGET N")]
    Pin {
        /// Name of the target in backup.tab
        target: String,
        /// Number of the snapshot
        number: u64,
    },
    /// Let KEEP say how long a snapshot stays that was pinned
    #[command(override_usage = "backup -unpin TARGET N")]
    Unpin {
        /// Name of the target in backup.tab
        target: String,
        /// Number of the snapshot
        number: u64,
    },
    /// Serve a `backup` on another host, which starts this through ssh; not to be typed
    ///
    /// In the file `authorized_keys` it can be the only thing that a key is good for: `command="backup -agent --root /local/data",restrict`
    #[command(override_usage = "backup -agent [--root PATH] [--append-only]")]
    Agent(AgentArgs),
    /// Browse every snapshot as a read-only file system, until it is unmounted or interrupted
    ///
    /// MOUNTPOINT is an empty folder. In it is a folder for each snapshot (000042-2026-11-21T03:00), `latest`, and by-date/2026/11/21. Snapshots that are
    /// taken meanwhile appear. Nothing is written and no lock is taken, so backups go on beside it. What cannot be read is an error of who reads it, and
    /// is named here. To end it: ^C, or fusermount3 -u MOUNTPOINT.
    #[command(override_usage = "backup -mount TARGET MOUNTPOINT [--allow-other]")]
    Mount(MountArgs),
    /// List snapshots
    #[command(override_usage = "backup -snapshots TARGET")]
    Snapshots {
        /// Name of the target in backup.tab
        target: String,
    },
    /// List what a snapshot holds, as ls -l does
    #[command(override_usage = "backup -list TARGET [PATH] [--snapshot N | --at TIME] [--recursive]")]
    List(ListArgs),
    /// Find every version of a file over all snapshots, and the command that brings each back
    #[command(override_usage = "backup -find TARGET PATTERN")]
    Find {
        /// Name of the target in backup.tab
        target: String,
        /// A path, a glob (`*` and `?` stay within a name, `**` does not), or a name without `/`, which may be anywhere
        pattern: OsString,
    },
    /// Tell what differs between two snapshots, or one and what is there now; the exit code is 0 whether anything does or not
    #[command(override_usage = "backup -diff TARGET A B [PATH...]")]
    Diff {
        /// Name of the target in backup.tab
        target: String,
        /// From: the number of a snapshot; `latest`, the newest; `source` or `mirror`, what is there now
        a: String,
        /// To: the same
        b: String,
        /// Only what is here, or below
        paths: Vec<OsString>,
    },
}

#[derive(ClapArgs, Debug)]
pub(super) struct ListArgs {
    /// Name of the target in backup.tab
    pub(super) target: String,
    /// A folder, a file or a glob, relative to the target; everything, when left out
    pub(super) path: Option<OsString>,
    /// Of this snapshot; else the newest
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub(super) snapshot: Option<u64>,
    /// Of the newest snapshot at or before this time: 2026-11-21, "2026-11-21 03:00", "2 days ago"
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
    /// List what is below folders, too
    #[arg(long, short)]
    pub(super) recursive: bool,
}

#[derive(ClapArgs, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(super) struct BackupArgs {
    /// Names of targets in backup.tab
    #[arg(required_unless_present = "all")]
    pub(super) targets: Vec<String>,
    /// All targets of the table, in its order
    #[arg(long, conflicts_with = "targets")]
    pub(super) all: bool,
    /// Back up so many targets at the same time, 1 to 64
    ///
    /// One that fails or is held does not stop the others; the exit code is the worst. Each has its own threads, and up to 48 MiB of memory for
    /// what is read and not written yet: N at the same time can take N times that.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) jobs: u8,
    /// Make a new mirror; a tree that is there already is adopted
    #[arg(long)]
    pub(super) init: bool,
    /// Write nothing; say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Read every file, even where size, times and inode are as they were
    #[arg(long)]
    pub(super) reread: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct PruneArgs {
    /// Name of the target in backup.tab
    pub(super) target: String,
    /// Remove nothing; list each snapshot with all that keeps it
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Copy no more than this out of packs that are mostly unused: 500M, 2G, or 10% of the store
    #[arg(long, value_name = "SIZE|PERCENT")]
    pub(super) max_rewrite: Option<String>,
}

#[derive(ClapArgs, Debug)]
pub(super) struct MountArgs {
    /// Name of the target in backup.tab
    pub(super) target: String,
    /// An empty folder
    #[arg(value_name = "MOUNTPOINT")]
    pub(super) place: PathBuf,
    /// Let other users in: each may read what the owners and modes of the files, as they were, allow
    ///
    /// Who is not root needs `user_allow_other` in /etc/fuse.conf for it.
    #[arg(long)]
    pub(super) allow_other: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct AgentArgs {
    /// Work only in this folder and below it, whatever is asked
    #[arg(long, value_name = "PATH")]
    pub(super) root: Option<PathBuf>,
    /// Let nothing be taken away: no restore onto this place, no change of which end is live
    #[arg(long, requires = "root")]
    pub(super) append_only: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct RestoreArgs {
    /// Name of the target in backup.tab
    pub(super) target: String,
    /// What to restore, relative to the target (detrend/2003/bias.fits); all DIRs, when left out. What is no path of the snapshot is a pattern
    /// ('detrend/*/bias*.fits'; ** crosses folders)
    pub(super) paths: Vec<OsString>,
    /// From this snapshot
    #[arg(long, value_name = "N", conflicts_with = "at")]
    pub(super) snapshot: Option<u64>,
    /// From the newest snapshot at or before this time: 2026-11-21, "2026-11-21 03:00", yesterday, tuesday (the last one
    /// before today), "tuesday 03:00", "2 weeks ago"
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
    /// To this place instead of SOURCE
    #[arg(long, value_name = "PLACE")]
    pub(super) to: Option<OsString>,
    /// Remove what the snapshot does not have (it is saved first)
    #[arg(long)]
    pub(super) delete: bool,
    /// Write nothing; list what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Parses; help, version and mistakes are printed here.
pub(super) fn parse(words: impl Iterator<Item = OsString>) -> Result<Args, Exit> {
    Args::try_parse_from(undash(words)).map_err(|e| {
        let code = if e.use_stderr() { Exit::Usage } else { Exit::Done };
        let _closed = e.print();
        code
    })
}

/// Turns the first `-backup` into `backup`; a mistyped one too, so that clap can say which is near. Options that come before it, and their
/// values, are left alone.
fn undash(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let mut value_next = true;
    for word in &mut words {
        if std::mem::replace(&mut value_next, word == "--tab" || word == "--bwlimit") {
            continue;
        }
        let Some(text) = word.to_str() else { break };
        // A dash and one letter is an option: -h, -V.
        if let Some(command) = text.strip_prefix('-').filter(|word| word.len() > 1 && !word.starts_with('-')) {
            *word = command.into();
            break;
        }
        if !text.starts_with("--") {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{Args, Command, parse, undash};
    use clap::CommandFactory;
    use std::ffi::OsString;

    fn words(text: &str) -> impl Iterator<Item = OsString> {
        text.split(' ').map(OsString::from).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn dashed_and_bare_words_mean_the_same() {
        for line in [
            "backup -backup x",
            "backup backup x",
            "backup --tab t -backup x",
            "backup --json backup x --tab t",
            "backup --bwlimit 2M -backup x",
        ] {
            let args = parse(words(line)).unwrap();
            assert!(matches!(args.command, Some(Command::Backup(b)) if b.targets == ["x"]), "{line}");
        }
    }

    #[test]
    fn a_value_that_looks_like_a_command_is_left_alone() {
        assert_eq!(
            undash(words("backup --tab -status -targets")),
            words("backup --tab -status targets").collect::<Vec<_>>()
        );
    }
}
