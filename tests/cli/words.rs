//! The words of the command line.

use crate::support::{Site, bare, finish};
use std::fs;
use std::path::Path;

const EXAMPLE: &str = include_str!("../../backup.tab.example");

const COMMANDS: [&str; 8] = ["targets", "status", "backup", "restore", "check", "snapshots", "approve", "swap"];

fn example() -> Site {
    let site = Site::new();
    fs::write(site.path("backup.tab"), EXAMPLE).unwrap();
    site
}

#[test]
fn targets_are_listed_one_indented_name_a_line() {
    let said = example().run("-targets").ended(0).in_peace();
    assert_eq!(said.out, "available targets:\n  elixir\n  example\n");
}

#[test]
fn status_of_elixir_is_as_the_observatory_knows_it() {
    let said = example().run("-status elixir").ended(0).in_peace();
    let wanted = "\
target:  elixir
source:  uhane:/local/data/elixir
mirror:  mamane:/local/data/mamane/elixir.mirror
dir:     detrend
dir:     tests
";
    assert_eq!(said.out, wanted);
}

#[test]
fn status_prints_a_line_for_each_further_keyword() {
    let site = Site::new();
    let more = "TARGET t\nSOURCE far:/s\nMIRROR near:/m\nDIR .\nKEEP last 7\nEXCLUDE *.tmp\nEXCLUDE x/y\nSTORE /big\nHOLD 20%\nRSH ssh -p 22\n";
    fs::write(site.path("backup.tab"), more).unwrap();
    let wanted = "\
target:  t
source:  far:/s
mirror:  near:/m
dir:     .
keep:    last 7
exclude: *.tmp
exclude: x/y
store:   /big
hold:    20%
rsh:     ssh -p 22
";
    assert_eq!(site.run("-status t").ended(0).in_peace().out, wanted);
}

#[test]
fn status_and_targets_contact_no_host() {
    let site = Site::new();
    let called = site.path("called");
    let script = format!("#!/bin/sh\ntouch {}\n", called.display());
    fs::create_dir(site.path("bin")).unwrap();
    for program in ["ssh", "rsh", "my-rsh", "ping", "host"] {
        let path = site.path("bin").join(program);
        fs::write(&path, &script).unwrap();
        crate::support::set_mode(&path, 0o755);
    }
    let table =
        format!("TARGET t\nSOURCE uhane:/s\nMIRROR mamane:/m\nDIR d\nRSH {}/my-rsh\n", site.path("bin").display());
    fs::write(site.path("backup.tab"), table).unwrap();
    for words in ["-status t", "-targets", "-status t --json"] {
        let mut command = site.command(words.split(' '));
        command.env("PATH", site.path("bin"));
        finish(command).ended(0).in_peace();
        assert!(!called.exists(), "{words}");
    }
}

#[test]
fn json_forms_parse() {
    let site = example();
    let targets = site.run("-targets --json").ended(0).json();
    assert_eq!(targets.len(), 2);
    assert_eq!(targets[0]["target"], "elixir");
    assert_eq!(targets[0]["source"], "uhane:/local/data/elixir");
    let status = site.run("--json -status elixir").ended(0).json();
    assert_eq!(status.len(), 1);
    assert_eq!(status[0]["mirror"], "mamane:/local/data/mamane/elixir.mirror");
    assert_eq!(status[0]["dir"], serde_json::json!(["detrend", "tests"]));
}

#[test]
fn every_command_speaks_json() {
    let site = Site::new();
    site.write("d/a", "one");
    let last = |words: &str, code| site.run(words).ended(code).json().pop().unwrap();
    assert_eq!(last("-backup --init data --dry-run --json", 2)["type"], "error");
    let row = last("-backup --init data --json", 0);
    assert_eq!((&row["type"], &row["sequence"], &row["files"]), (&"summary".into(), &1.into(), &1.into()));
    site.write("d/b", "two");
    let row = last("-backup data --dry-run --json", 0);
    assert_eq!((&row["type"], &row["created"]), (&"dry-run".into(), &1.into()));
    assert_eq!(last("-check data --json", 0)["wrong"], 0);
    assert_eq!(last("-restore data --json", 0)["type"], "summary");
    site.write("d/a", "other");
    assert_eq!(last("-restore data --dry-run --json", 0)["replaced"], 1);
    fs::remove_dir_all(site.src("d")).unwrap();
    let row = last("-backup data --json", 3);
    assert_eq!((&row["kind"], row["reasons"].as_array().unwrap().len()), (&"held".into(), 1));
    assert_eq!(last("-approve data --json", 0)["type"], "summary");
    assert_eq!(last("-approve data --json", 2)["type"], "error");
}

#[test]
fn snapshots_in_json_have_the_promised_keys() {
    let site = Site::new();
    site.write("d/a", "12345");
    site.init();
    let rows = site.snapshots();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    for key in ["sequence", "time", "kind", "files", "bytes", "new_bytes", "pinned"] {
        assert!(!row[key].is_null(), "{key} in {row}");
    }
    assert_eq!((&row["sequence"], &row["kind"]), (&1.into(), &"backup".into()));
    assert_eq!((&row["files"], &row["bytes"], &row["pinned"]), (&1.into(), &5.into(), &false.into()));
    assert!(row["new_bytes"].as_u64().unwrap() > 5 && row["time"].as_str().unwrap().ends_with("+00:00"));
    site.run("-snapshots data").ended(0).in_peace().says(&["     1  backup  ", "  new  note"]);
}

#[test]
fn the_program_alone_prints_the_usage() {
    let said = finish(bare(crate::support::PROGRAM, Path::new("/"))).ended(0).in_peace();
    assert!(said.out.starts_with("USAGE: backup (command) [target]"), "{said}");
    for command in COMMANDS {
        assert!(said.out.contains(&format!("backup -{command} ")), "{command} in {said}");
    }
}

#[test]
fn a_bare_word_is_the_command_too() {
    let site = Site::new();
    site.write("d/a", "one");
    site.run("backup --init data").ended(0).says(&["data: snapshot 1: 1 file"]);
    for (dashed, bare) in [
        ("-targets", "targets"),
        ("-status data", "status data"),
        ("-snapshots data", "snapshots data"),
        ("-check data", "check data"),
    ] {
        assert_eq!(site.run(dashed).ended(0).out, site.run(bare).ended(0).out, "{bare}");
    }
    site.run("restore data").ended(0);
    site.run("approve data").ended(2);
}

#[test]
fn options_may_stand_anywhere() {
    let site = Site::new();
    site.write("d/a", "one");
    for words in ["--quiet -backup data --init", "-backup --quiet --init data", "--quiet backup --init data"] {
        let said = site.run(words).ended(0).in_peace();
        assert_eq!(said.out, "", "{words}");
    }
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        for words in [format!("-{command} --help"), format!("{command} --help"), format!("-{command} -h")] {
            let mut program = bare(crate::support::PROGRAM, Path::new("/"));
            program.args(words.split(' '));
            let said = finish(program).ended(0).in_peace();
            assert!(said.out.contains("Usage: ") && said.out.contains("--tab <FILE>"), "{said}");
        }
    }
    for (words, part) in [
        ("-backup --help", "--dry-run"),
        ("-backup --help", "--reread"),
        ("-restore --help", "--snapshot <N>"),
        ("-restore --help", "--at <TIME>"),
        ("-check --help", "--data"),
        ("--version", "backup 0."),
        ("--help", "snapshots"),
    ] {
        let mut program = bare(crate::support::PROGRAM, Path::new("/"));
        program.args(words.split(' '));
        finish(program).ended(0).in_peace().says(&[part]);
    }
}

#[test]
fn the_usage_in_a_help_text_has_the_dash() {
    let mut program = bare(crate::support::PROGRAM, Path::new("/"));
    program.args(["-restore", "--help"]);
    finish(program).ended(0).says(&["Usage: backup -restore"]);
}

#[test]
fn an_unknown_command_is_refused_with_the_nearest() {
    let site = Site::new();
    site.run("bakcup data").ended(64).warns(&["bakcup", "'backup'"]);
    site.run("snapshot data").ended(64).warns(&["snapshot", "'snapshots'"]);
    site.run("frobnicate").ended(64).warns(&["frobnicate"]);
}

#[test]
fn an_unknown_command_with_a_dash_is_refused_with_the_nearest() {
    let site = Site::new();
    site.run("-bakcup data").ended(64).warns(&["bakcup", "backup"]);
    site.run("-snapshot data").ended(64).warns(&["snapshot", "snapshots"]);
}

#[test]
fn an_unknown_option_is_refused_with_the_nearest() {
    let site = Site::new();
    site.write("d/a", "one");
    site.run("-backup data --intt").ended(64).warns(&["--intt", "--init"]);
    site.run("-restore data --snapshto 3").ended(64).warns(&["--snapshto", "--snapshot"]);
    site.run("-check data --dry-run").ended(64).warns(&["--dry-run"]);
    assert!(!site.mirror("").exists());
}

#[test]
fn an_unknown_target_is_refused_with_the_nearest() {
    let site = example();
    for command in ["status", "backup", "restore", "check", "snapshots", "approve", "swap"] {
        let said = site.run(&format!("-{command} elixr")).ended(64);
        let said = said.warns(&["backup.tab: there is no target elixr (elixir?)", "elixir, example"]);
        assert_eq!((said.out.as_str(), said.err.lines().count()), ("", 1), "{said}");
    }
    site.run("-status potion").ended(64).warns(&["there is no target potion; there are: elixir, example"]);
}

#[test]
fn one_unknown_target_of_several_stops_all_of_them() {
    let site = Site::new();
    site.write("d/a", "one");
    site.run("-backup --init data dta").ended(64).warns(&["there is no target dta (data?)"]);
    assert!(!site.mirror("").exists());
}

#[test]
fn a_target_must_be_named() {
    let site = Site::new();
    for command in ["status", "backup", "restore", "check", "snapshots", "approve", "swap"] {
        site.run(&format!("-{command}")).ended(64).warns(&["TARGET"]);
    }
    site.run("-status data data").ended(64);
    site.run("-targets data").ended(64);
}

#[test]
fn numbers_and_times_that_are_none_are_refused() {
    let site = Site::new();
    site.write("d/a", "one");
    site.init();
    site.run("-restore data --snapshot x").ended(64).warns(&["'x'"]);
    site.run("-restore data --snapshot -1").ended(64);
    site.run("-restore data --at yesterdayish").ended(64).warns(&["--at yesterdayish: not a time"]);
    site.run("-restore data --snapshot 1 --at 2026-01-01").ended(64).warns(&["cannot be used with"]);
    site.run("-approve data x").ended(64);
    site.run("-restore data /d/a").ended(64).warns(&["/d/a: it begins with a slash"]);
    site.run("-restore data ../d").ended(64).warns(&["../d: "]);
    site.run("-restore data --to=-far:/x").ended(64).warns(&["--to -far:/x: host -far begins with -"]);
    site.run("-restore data --snapshot 9").ended(2).warns(&["data: there is no snapshot 9"]);
    site.run("-restore data d/nothing")
        .ended(2)
        .warns(&["d/nothing is not in snapshot 1, nor in any other (nothing was written)"]);
}

#[test]
fn several_targets_run_one_after_the_other_and_a_failing_one_stops_none() {
    let site = Site::new();
    site.write("d/a", "one");
    let second = format!("TARGET gone\nSOURCE {0}/nowhere\nMIRROR {0}/m2\nDIR d\n", site.path("").display());
    site.table(&second);
    let said = site.run("-backup --init gone data").ended(2);
    said.says(&["data: snapshot 1: 1 file"]).warns(&["gone: SOURCE", "nowhere cannot be opened"]);
    site.mirror_equals_source();
    assert!(!site.path("m2").exists());
}
