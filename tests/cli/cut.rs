//! Runs that lose another host, or never reach it, as the operator sees them.

use crate::support::{PROGRAM, Site, finish, noise, same};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// SOURCE here, MIRROR on a host that this script reaches.
fn site(script: &str) -> Site {
    let site = Site::new();
    let table =
        format!("TARGET data\nSOURCE {}\nMIRROR mamane:{}\nDIR d\n", site.src("").display(), site.mirror("").display());
    fs::write(site.path("backup.tab"), table).unwrap();
    fs::write(site.path("rsh"), format!("#!/bin/sh\nshift 2\n{script}\n")).unwrap();
    fs::set_permissions(site.path("rsh"), fs::Permissions::from_mode(0o755)).unwrap();
    site.write("d/f", "text");
    site
}

fn command(site: &Site, words: &str) -> Command {
    let mut command = site.command(words.split(' '));
    command.env("BACKUP_RSH", site.path("rsh")).env("PROGRAM", PROGRAM).env("XDG_CACHE_HOME", site.path("cache"));
    command
}

#[test]
fn an_interrupted_first_night_does_not_send_again_what_came_over() {
    const EACH: usize = 300 << 10;
    const FILES: usize = 40;
    const ARRIVES: usize = EACH * FILES * 3 / 4;
    let site = site("stdbuf -o0 head -c \"$LENGTH\" | tee sent | \"$PROGRAM\" \"$@\"");
    for n in 0..FILES {
        site.write(format!("d/{n:02}"), noise(n as u64, EACH));
    }
    let sent = || fs::metadata(site.path("sent")).unwrap().len();
    let cut = finish({
        let mut command = command(&site, "-backup --init data");
        command.env("LENGTH", ARRIVES.to_string());
        command
    });
    cut.ended(2)
        .warns(&["backup: data: mamane: the other end went away", "(run the command again: it goes on from here)"]);
    let begun = Instant::now();
    // The agent takes what is still in the pipe.
    while sent() < ARRIVES as u64 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} bytes came over", sent());
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = loop {
        let mut again = command(&site, "-backup --init data");
        again.env("LENGTH", (1_u64 << 40).to_string());
        let ran = finish(again);
        // The agent there may have this long to make durable what came.
        if ran.code != 4 || begun.elapsed() > Duration::from_secs(10) {
            break ran;
        }
    };
    done.ended(0);
    assert!(sent() < (EACH * FILES / 2) as u64, "{} bytes were sent after {ARRIVES}", sent());
    same(&site.source_tree(), &site.mirror_tree(), "the mirror");
}

#[test]
fn a_host_that_cannot_be_an_end_is_told_in_one_line_with_what_to_do() {
    let hello = |protocol: u8| format!("printf 'BKUPWIRE\\00{protocol}\\000\\003\\0009.9'; cat >/dev/null");
    let missing = "echo 'sh: 1: backup: not found' >&2; exit 127";
    for (script, says) in [
        (
            "exit 127",
            &["mamane has no backup, or one that is too old; to install it: scp /", " mamane:/usr/local/bin/backup"][..],
        ),
        (missing, &["mamane has no backup", ": sh: 1: backup: not found; to install it: scp /"]),
        (
            "echo; echo 'Welcome to mamane.'; exec cat",
            &["mamane answered with \"Welcome to mamane.\" instead of", "make the login files"],
        ),
        (
            &hello(7),
            &[
                "mamane has backup 9.9 (protocol 7), here is 0.",
                "install one version on both hosts; this one on mamane: scp /",
            ],
        ),
        (
            &format!("{} & sleep 0.1; kill -9 $$", hello(1)),
            &["mamane: the other end went away: signal: 9 (SIGKILL) (run the command again"],
        ),
        (
            "echo 'backup: it received a fish' >&2; exit 2",
            &["mamane: the other end went away: it received a fish (run"],
        ),
    ] {
        let site = site(script);
        for words in ["-backup --init data", "-check data", "-snapshots data", "-restore data", "-swap data"] {
            let ran = finish(command(&site, words)).ended(2).warns(says);
            assert!(ran.err.starts_with("backup: data: ") && ran.err.lines().count() == 1, "{ran}");
        }
    }
}
