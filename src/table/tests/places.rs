//! What SOURCE, MIRROR and DIR may be, and where a place lies.

use std::path::Path;

use crate::table::tests::{START, parse, refused, trees};

#[test]
fn relative_local_paths_begin_in_the_folder_of_the_table() {
    for (text, path) in [
        ("x", Some("/data/tab/x")),
        (".", Some("/data/tab")),
        ("./a//b/", Some("/data/tab/a/b")),
        // After a symbolic link `..` leads elsewhere than the text says.
        ("../x", Some("/data/tab/../x")),
        ("localhost:x", Some("/data/tab/x")),
        ("MAMANE:/x", Some("/x")),
        ("mamane.cfht.hawaii.edu:/x", Some("/x")),
        ("mamane.elsewhere.org:/x", None),
        ("uhane:x", None),
    ] {
        let table = trees(text, "/m", "d").unwrap();
        let target = &table.targets[0];
        assert_eq!(target.source_path(), path.map(Path::new), "{text}");
        assert_eq!(target.source.to_string(), text);
    }
}

#[test]
fn places_that_are_none_are_refused() {
    let colon = "a local path with a colon begins with ./)";
    for (keyword, line) in [("SOURCE", 2), ("MIRROR", 3), ("STORE", 5)] {
        for (value, why) in [
            ("-oProxyCommand=id:/x", format!("host -oProxyCommand=id begins with - (name a host; {colon}")),
            ("my disk:/x", format!("host my disk is not a host name (letters, digits, then also . _ -; {colon}")),
            (":/x", format!("no host before the colon (host:path; {colon}")),
            ("h:", "no path after the colon (as in h:/path)".to_owned()),
        ] {
            let text = match keyword {
                "SOURCE" => START.replace("/s", value),
                "MIRROR" => START.replace("/m", value),
                _ => format!("{START}STORE {value}"),
            };
            refused(parse(text), &format!("{line}: {keyword} {value}: {why}"));
        }
    }
}

#[test]
fn dirs_are_tidied() {
    for (text, dir) in [
        ("a/", "a"),
        ("a//b", "a/b"),
        ("./a", "a"),
        ("a/./b/.", "a/b"),
        ("..a/.backup", "..a/.backup"),
        (".", ""),
        ("./", ""),
    ] {
        let table = trees("/s", "/m", text).unwrap();
        let found = &table.targets[0].dirs[0];
        assert_eq!(found.as_bytes(), dir.as_bytes(), "{text}");
        assert_eq!(found.is_root(), dir.is_empty());
    }
    assert_eq!(trees("/s", "/m", ".").unwrap().targets[0].dirs[0].to_string(), ".");
}

#[test]
fn dirs_outside_source_or_twice_are_refused() {
    for (dirs, message) in [
        ("/a", "4: DIR /a is absolute (write it relative to SOURCE)"),
        ("../a", "4: DIR ../a holds .. (write it relative to SOURCE, without ..)"),
        ("a/..", "4: DIR a/.. holds .. (write it relative to SOURCE, without ..)"),
        ("a b a", "6: DIR a a second time, first on line 4 (remove one of them)"),
        ("a ./a//", "5: DIR ./a// a second time, first on line 4 (remove one of them)"),
        (". ./", "5: DIR ./ a second time, first on line 4 (remove one of them)"),
        ("a ab a/b", "6: DIR a/b lies inside DIR a (line 4) (remove one of them)"),
        ("a/b ab a", "6: DIR a holds DIR a/b (line 4) (remove one of them)"),
        (". a", "5: DIR a lies inside DIR . (line 4) (remove one of them)"),
        ("a .", "5: DIR . holds DIR a (line 4) (remove one of them)"),
        (".backup", "4: DIR .backup is where backup keeps its own files (it cannot be backed up: remove this line)"),
        (
            "./.backup/x",
            "4: DIR ./.backup/x is where backup keeps its own files (it cannot be backed up: remove this line)",
        ),
    ] {
        refused(trees("/s", "/m", dirs), message);
    }
    assert!(trees("/s", "/m", "a ab a.b b/a").is_ok());
}
