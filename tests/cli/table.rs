//! Finding backup.tab, and refusing one that is wrong.

use crate::support::{PROGRAM, Ran, Site, bare, copy_program, finish, set_mode, we_are_root};
use std::fs;
use std::path::Path;

fn table(name: &str) -> String {
    format!("TARGET {name}\nSOURCE far:/s\nMIRROR far:/m\nDIR d\n")
}

/// Makes this the table of a new site and asks for the targets.
fn asked(table: impl AsRef<[u8]>) -> (Site, Ran) {
    let site = Site::new();
    fs::write(site.path("backup.tab"), table).unwrap();
    let said = site.run("-targets");
    (site, said)
}

/// The table is refused in one line that begins with its name, and nothing else happens.
#[track_caller]
fn refused(table: impl AsRef<[u8]>, message: &str) {
    let (site, said) = asked(table);
    let wanted = format!("backup: {}{message}", site.path("backup.tab").display());
    assert_eq!((said.code, said.err.lines().count(), said.out.as_str()), (64, 1, ""), "{said}");
    assert!(said.err.starts_with(&wanted), "wanted {wanted:?} of {said}");
}

#[test]
fn it_is_looked_for_in_the_order_that_the_help_says() {
    let site = Site::new();
    let (beside, here) = (site.path("bin"), site.path("here"));
    fs::create_dir(&beside).unwrap();
    fs::create_dir(&here).unwrap();
    let program = beside.join("backup");
    copy_program(&program);
    let asked = |tab: Option<&str>, variable: Option<&str>| {
        let mut command = bare(&program, &here);
        command.args(tab.iter().flat_map(|file| ["--tab", file]));
        command.envs(variable.map(|file| ("BACKUP_TAB", file)));
        finish({
            command.arg("-targets");
            command
        })
    };
    fs::write(site.path("option.tab"), table("by-option")).unwrap();
    fs::write(site.path("variable.tab"), table("by-variable")).unwrap();
    if !Path::new("/etc/backup.tab").exists() {
        let none = asked(None, None).ended(64).warns(&["no table: not given by --tab or $BACKUP_TAB, and none of"]);
        let beside = beside.join("backup.tab");
        none.warns(&[beside.to_str().unwrap(), ", backup.tab, /etc/backup.tab exists"]);
        asked(None, Some("")).ended(64).warns(&["no table"]);
    }
    fs::write(here.join("backup.tab"), table("in-the-folder")).unwrap();
    asked(None, None).ended(0).says(&["in-the-folder"]);
    fs::write(beside.join("backup.tab"), table("beside-the-program")).unwrap();
    asked(None, None).ended(0).says(&["beside-the-program"]);
    asked(None, Some("../variable.tab")).ended(0).says(&["by-variable"]);
    asked(Some("../option.tab"), Some("../variable.tab")).ended(0).says(&["by-option"]);
    // What was asked for by name is not replaced by something else.
    asked(None, Some("nowhere.tab")).ended(64).warns(&["nowhere.tab: No such file"]);
    asked(Some("nowhere.tab"), None).ended(64).warns(&["nowhere.tab: No such file"]);
    asked(Some("."), None).ended(64).warns(&["Is a directory"]);
}

#[test]
fn relative_places_begin_in_the_folder_of_the_table() {
    let site = Site::new();
    site.write("d/a", "one");
    fs::write(site.path("backup.tab"), "TARGET data\nSOURCE src\nMIRROR mirror\nDIR d\n").unwrap();
    let mut command = bare(PROGRAM, Path::new("/"));
    command.arg("--tab").arg(site.path("backup.tab")).args(["-backup", "--init", "data"]);
    finish(command).ended(0);
    site.mirror_equals_source();
}

#[test]
fn an_empty_table_is_refused() {
    for text in ["", "\n\n  \n", "# only words\n\t# and more\n"] {
        refused(text, ": no TARGET in this table");
    }
}

#[test]
fn each_mistake_is_refused_with_its_line() {
    let start = "TARGET t\nSOURCE /s\nMIRROR /m\n";
    for (lines, message) in [
        ("SORUCE /x\n", ":4: unknown keyword SORUCE (SOURCE?)"),
        ("COLOUR red\nDIR d\n", ":4: unknown keyword COLOUR (one of TARGET, SOURCE,"),
        ("DIR d\nSOURCE /s2\n", ":5: SOURCE a second time, first on line 2"),
        ("", ":1: target t has no DIR"),
        ("DIR\n", ":4: DIR without a value"),
        ("DIR /d\n", ":4: DIR /d is absolute"),
        ("DIR a/../b\n", ":4: DIR a/../b holds .."),
        ("DIR d\nDIR e\nDIR d/\n", ":6: DIR d/ a second time, first on line 4"),
        ("DIR a\nDIR a/b\n", ":5: DIR a/b lies inside DIR a (line 4)"),
        ("DIR a/b\nDIR a\n", ":5: DIR a holds DIR a/b (line 4)"),
        ("DIR .\nDIR a\n", ":5: DIR a lies inside DIR . (line 4)"),
        ("DIR .backup\n", ":4: DIR .backup is where backup keeps its own files"),
        ("DIR d\nEXCLUDE a[\n", ":5: EXCLUDE a[ is not a pattern"),
        ("DIR d\nKEEP lats 7\n", ":5: KEEP has an unknown word lats (last?)"),
        ("DIR d\nHOLD 120%\n", ":5: HOLD 120% is not a percentage"),
        ("DIR d\nHOLD 20\n", ":5: HOLD 20 has no percent sign"),
        ("DIR d\nRSH ssh 'x\n", ":5: RSH has a quote that is not closed"),
        ("DIR d\nSTORE other:/x\n", ":5: STORE other:/x is not on the host of MIRROR /m"),
        ("DIR d\nSTORE /s/d/x\n", ":5: STORE /s/d/x overlaps DIR d (line 4) of SOURCE"),
        ("DIR d\nTARGET t\n", ":5: target t a second time, first on line 1"),
        ("DIR d\nTARGET a b\n", ":5: target name a b "),
        ("DIR d\nTARGET u\nSOURCE /s3\nMIRROR /m/x\nDIR d\n", ":7: MIRROR /m/x overlaps the mirror of target t"),
        ("DIR d\nTARGET u\nSOURCE /s3\nDIR d\n", ":5: target u has no MIRROR"),
    ] {
        refused(format!("{start}{lines}"), message);
    }
    for (text, message) in [
        ("SOURCE /s\n", ":1: SOURCE before any TARGET"),
        ("TARGET t\nMIRROR /m\nDIR d\n", ":1: target t has no SOURCE"),
        ("TARGET t\nSOURCE /x\nMIRROR /x/\nDIR d\n", ":3: SOURCE and MIRROR are the same place"),
        ("TARGET t\nSOURCE /x\nMIRROR localhost:/y/../x\nDIR d\n", ":3: SOURCE and MIRROR are the same place"),
        ("TARGET t\nSOURCE /x\nMIRROR /x/d/m\nDIR d\n", ":3: MIRROR /x/d/m lies inside DIR d (line 4)"),
        ("TARGET t\nSOURCE /m/x\nMIRROR /m\nDIR d\n", ":2: SOURCE /m/x lies inside MIRROR /m (line 3)"),
        ("TARGET t\nSOURCE -oProxyCommand=id:/x\nMIRROR /m\nDIR d\n", ":2: SOURCE -oProxyCommand=id:/x: "),
        ("TARGET t\nSOURCE /x\nMIRROR -h:/x\nDIR d\n", ":3: MIRROR -h:/x: "),
        ("TARGET t\nSOURCE /x\0\nMIRROR /m\nDIR d\n", ":2: a NUL byte in this line"),
    ] {
        refused(text, message);
    }
}

#[test]
fn a_file_that_is_no_table_at_all_is_refused() {
    refused(b"\x7fELF\x02\x01\x01 \xff\xfe\n", ":1: unknown keyword \\x7fELF");
    refused(vec![b'x'; 2 << 20], ": it is too long");
}

#[test]
fn every_command_refuses_a_wrong_table_before_anything_is_touched() {
    let site = Site::new();
    site.write("d/a", "one");
    site.table("  COLOUR red\n");
    for words in [
        "-targets",
        "-status data",
        "-backup --init data",
        "-restore data",
        "-check data",
        "-snapshots data",
        "-approve data",
    ] {
        site.run(words).ended(64).warns(&["backup.tab:5: unknown keyword COLOUR"]);
    }
    assert!(!site.mirror("").exists());
}

#[test]
fn root_refuses_a_table_that_others_may_write_to() {
    if !we_are_root() {
        return;
    }
    let site = Site::new();
    site.write("d/a", "one");
    let path = site.path("backup.tab");
    for mode in [0o664, 0o646, 0o666, 0o622] {
        set_mode(&path, mode);
        for words in ["-targets", "-backup --init data"] {
            let said = site.run(words).ended(64);
            said.warns(&["backup.tab: others may write to this table, and root would obey it", "chmod go-w"]);
        }
    }
    set_mode(&path, 0o644);
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    site.run("-targets").ended(64).warns(&["others may write to this table"]);
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    set_mode(&site.path(""), 0o777);
    site.run("-targets").ended(64).warns(&["others may write to", "and so replace this table"]);
    set_mode(&site.path(""), 0o1777);
    site.run("-targets").ended(0);
    set_mode(&site.path(""), 0o755);
    assert!(!site.mirror("").exists());
}

#[test]
fn root_refuses_a_table_behind_a_link_in_a_folder_of_others() {
    if !we_are_root() {
        return;
    }
    let site = Site::new();
    fs::create_dir(site.path("open")).unwrap();
    std::os::unix::fs::symlink(site.path("backup.tab"), site.path("open/backup.tab")).unwrap();
    set_mode(&site.path("open"), 0o777);
    let mut command = bare(PROGRAM, &site.path(""));
    command.args(["--tab", "open/backup.tab", "-targets"]);
    finish(command).ended(64).warns(&["others may write to"]);
}

#[test]
fn root_refuses_a_table_in_a_folder_that_belongs_to_others() {
    if !we_are_root() {
        return;
    }
    let site = Site::new();
    std::os::unix::fs::chown(site.path(""), Some(65534), None).unwrap();
    site.run("-targets").ended(64).warns(&["replace this table"]);
}

#[test]
fn an_ordinary_user_may_share_a_table_with_a_group() {
    let site = Site::of_a_user();
    set_mode(&site.path("backup.tab"), 0o664);
    site.run("-targets").ended(0).says(&["  data\n"]);
}
