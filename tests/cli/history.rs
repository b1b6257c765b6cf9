//! `-list`, `-find`, `-diff`: what was there, where it has gone, and what changed. Each night of the site below is told of exactly.

use crate::support::{Ran, Site, noise, set_mode, set_mtime};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;

/// Five nights. All that a file can go through is in them.
fn five_nights() -> Site {
    let site = Site::new();
    site.write("d/2003/bias.fits", noise(1, 5000));
    site.write("d/2003/flat.fits", noise(2, 5000));
    site.write("d/2003/gone", "gone by 2, back by 4");
    site.write("d/2003/mode", "m");
    site.write("d/kind", "a file, then a link");
    site.write("d/two/first", "two names");
    fs::hard_link(site.src("d/two/first"), site.src("d/two/second")).unwrap();
    symlink("2003/bias.fits", site.src("d/link")).unwrap();
    for n in 0..300 {
        site.write(format!("d/many/{n:03}"), format!("{n}"));
    }
    site.init();
    fs::write(site.src("d/2003/bias.fits"), noise(3, 6000)).unwrap();
    fs::remove_file(site.src("d/2003/gone")).unwrap();
    site.night();
    fs::create_dir(site.src("d/2004")).unwrap();
    fs::rename(site.src("d/2003/flat.fits"), site.src("d/2004/flat.fits")).unwrap();
    set_mode(&site.src("d/2003/mode"), 0o600);
    site.night();
    site.write("d/2003/gone", "gone by 2, back by 4");
    fs::remove_file(site.src("d/kind")).unwrap();
    symlink("link", site.src("d/kind")).unwrap();
    site.night();
    fs::remove_file(site.src("d/2003/bias.fits")).unwrap();
    site.night();
    site
}

/// The rows of a type.
fn rows(ran: &Ran, kind: &str) -> Vec<Value> {
    ran.json().into_iter().filter(|row| row["type"] == kind).collect()
}

/// Of each version: the path, what happened, the snapshots that have it, where it is gone.
#[track_caller]
fn versions(site: &Site, pattern: &str) -> Vec<Value> {
    let ran = site.run_words(&["-find", "data", pattern, "--json"]).ended(0).in_peace();
    let one = |row: Value| json!([row["path"], row["event"], row["snapshots"], row["gone"]["sequence"]]);
    rows(&ran, "version").into_iter().map(one).collect()
}

/// Of each difference: how, and the path.
fn differences(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows(ran, "difference").iter().map(|row| (text(&row["change"]), text(&row["path"]))).collect()
}

fn told(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(how, path)| ((*how).to_owned(), (*path).to_owned())).collect()
}

#[test]
fn every_version_of_a_path_is_found_with_what_happened_and_where_it_still_is() {
    let site = five_nights();
    let expected = vec![
        json!(["d/2003/bias.fits", "appeared", [[1, 1]], null]),
        json!(["d/2003/bias.fits", "content", [[2, 4]], 5]),
    ];
    assert_eq!(versions(&site, "d/2003/bias.fits"), expected);
    assert_eq!(versions(&site, "./d/2003//bias.fits"), expected);
    assert_eq!(versions(&site, "bias.fits"), expected, "a name anywhere");
    assert_eq!(versions(&site, "b*.fits"), expected);
    assert_eq!(versions(&site, "d/**/bias*"), expected);
    let expected =
        [json!(["d/2003/gone", "appeared", [[1, 1]], 2]), json!(["d/2003/gone", "appeared", [[4, 5]], null])];
    assert_eq!(versions(&site, "d/2003/gone"), expected);
    assert_eq!(versions(&site, "d/200?/go*"), expected);
    let expected =
        [json!(["d/2003/mode", "appeared", [[1, 2]], null]), json!(["d/2003/mode", "metadata", [[3, 5]], null])];
    assert_eq!(versions(&site, "d/2003/mode"), expected);
    let expected = [json!(["d/kind", "appeared", [[1, 3]], null]), json!(["d/kind", "type", [[4, 5]], null])];
    assert_eq!(versions(&site, "d/kind"), expected);
    assert_eq!(versions(&site, "d/many/*").len(), 300);
    assert_eq!(versions(&site, "d/*"), versions(&site, "d/{2003,2004,kind,link,many,two}"));
    assert!(versions(&site, "d/*").iter().all(|row| row[0] != "d/two/first"), "a star does not cross a slash");
}

#[test]
fn a_file_that_was_moved_is_told_of_under_both_names() {
    let site = five_nights();
    for pattern in ["d/2003/flat.fits", "d/2003/fl*"] {
        let said = site.run_words(&["-find", "data", pattern, "--json"]).ended(0);
        let row = &rows(&said, "version")[0];
        assert_eq!(row["gone"]["to"], "d/2004/flat.fits", "{said}");
        site.run_words(&["-find", "data", pattern]).ended(0).says(&["moved to d/2004/flat.fits"]);
    }
    for pattern in ["d/2004/flat.fits", "d/2004/*"] {
        let said = site.run_words(&["-find", "data", pattern, "--json"]).ended(0);
        let row = &rows(&said, "version")[0];
        assert_eq!((&row["event"], &row["from"]), (&"moved".into(), &"d/2003/flat.fits".into()), "{said}");
        site.run_words(&["-find", "data", pattern]).ended(0).says(&["moved from d/2003/flat.fits", "in 3-5"]);
    }
    assert_eq!(versions(&site, "flat.fits").len(), 2);
}

#[test]
fn the_command_that_is_told_brings_the_version_back() {
    let site = five_nights();
    site.write("d/a name with ' and \"", "x");
    site.night();
    for (pattern, content) in [("d/2003/bias.fits", noise(3, 6000)), ("d/a name with ' and \"", b"x".to_vec())] {
        let said = site.run_words(&["-find", "data", pattern, "--json"]).ended(0);
        let command = rows(&said, "version").last().unwrap()["restore"].as_str().unwrap().to_owned();
        let words = command.strip_prefix("backup ").unwrap();
        let _gone = fs::remove_file(site.src(pattern));
        let script = format!("exec \"$PROGRAM\" {words}");
        let program = site.command([""; 0]);
        let mut shell = std::process::Command::new("bash");
        shell
            .args(["-c", &script])
            .env("PROGRAM", program.get_program())
            .envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
        assert!(shell.output().unwrap().status.success(), "{command}");
        assert_eq!(fs::read(site.src(pattern)).unwrap(), content);
    }
}

#[test]
fn what_is_in_no_snapshot_and_what_is_no_pattern_is_said() {
    let site = five_nights();
    site.run("-find data d/2003/bia.fits").ended(2).warns(&["nothing in 5 snapshots matches d/2003/bia.fits"]);
    site.run("-find data nothing*").ended(2).warns(&["nothing in 5 snapshots matches nothing*"]);
    site.run("-find data d/[").ended(64).warns(&["d/[: not a valid pattern"]);
    site.run("-find data /d").ended(64).warns(&["it begins with a slash"]);
    // Letter by letter first: a name may look like a glob.
    site.write("d/odd[1].fits", "1");
    site.write("d/odd1.fits", "2");
    site.night();
    let paths =
        |pattern| versions(&site, pattern).iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(paths("d/odd[1].fits"), ["d/odd[1].fits"]);
    assert_eq!(paths("d/odd[12].fits"), ["d/odd1.fits"]);
}

#[test]
fn a_folder_a_file_and_a_glob_are_listed_as_they_were() {
    let site = five_nights();
    set_mtime(&site.src("d/2003/mode"), 86_400, 0);
    site.night();
    let paths = |words: &str| -> Vec<String> {
        let said = site.run(&format!("-list data {words} --json")).ended(0).in_peace();
        rows(&said, "entry").iter().map(|row| row["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(""), ["d"]);
    assert_eq!(paths("."), ["d"]);
    assert_eq!(paths("d"), ["d/2003", "d/2004", "d/kind", "d/link", "d/many", "d/two"]);
    assert_eq!(paths("d/2003/"), ["d/2003/gone", "d/2003/mode"]);
    assert_eq!(paths("d/2003 --snapshot 1"), ["d/2003/bias.fits", "d/2003/flat.fits", "d/2003/gone", "d/2003/mode"]);
    assert_eq!(paths("d/2003/mode"), ["d/2003/mode"]);
    assert_eq!(paths("d/many/29?").len(), 10);
    assert_eq!(paths("d/200* -r"), ["d/2003", "d/2003/gone", "d/2003/mode", "d/2004", "d/2004/flat.fits"]);
    assert_eq!(paths("-r").len(), 7 + 300 + 5);
    let said = site.run("-list data d/two").ended(0).says(&["(the same file as d/two/first)", "2 names, 9 B"]);
    assert!(said.out.contains("-rw-"), "{said}");
    site.run("-list data d").ended(0).says(&["d/link -> 2003/bias.fits", "lrwxrwxrwx", "drwxr-xr-x", "snapshot 6 of "]);
    let row = &rows(&site.run("-list data d/2003/mode --json").ended(0), "entry")[0];
    assert_eq!((&row["mode"], &row["size"]), (&"0600".into(), &1.into()));
    assert_eq!(row["mtime"], "1970-01-02T00:00:00+00:00");
    site.run("-list data d/2003/mode").says(&["-rw------- ", "1970-01-02 00:00:00"]);
    site.run("-list data d/2003/bias.fits")
        .ended(2)
        .warns(&["is not in snapshot 6; `backup -find data d/2003/bias.fits`"]);
    site.run("-list data d --snapshot 99").ended(2).warns(&["there is no snapshot 99"]);
    site.run("-list data d --at 1999-01-01").ended(2).warns(&["there is no snapshot as old as that"]);
}

#[test]
fn nights_are_compared_path_by_path() {
    let site = five_nights();
    let diff = |words: &str| site.run(&format!("-diff data {words} --json")).ended(0).in_peace();
    let said = diff("1 2");
    assert_eq!(
        differences(&said),
        told(&[("metadata", "d/2003"), ("content", "d/2003/bias.fits"), ("removed", "d/2003/gone")])
    );
    let fields = |path: &str, said: &Ran| {
        rows(said, "difference").into_iter().find(|row| row["path"] == path).unwrap()["fields"].clone()
    };
    assert_eq!(fields("d/2003", &said), json!(["mtime"]));
    let said = diff("2 3");
    let expected = [
        ("metadata", "d"),
        ("metadata", "d/2003"),
        ("metadata", "d/2003/mode"),
        ("created", "d/2004"),
        ("moved", "d/2004/flat.fits"),
    ];
    assert_eq!(differences(&said), told(&expected));
    assert_eq!(fields("d/2003/mode", &said), json!(["mode"]));
    let back = diff("3 2");
    assert!(differences(&back).contains(&("moved".to_owned(), "d/2003/flat.fits".to_owned())), "{back}");
    assert_eq!(differences(&diff("3 4 d/kind d/2003/gone")), told(&[("created", "d/2003/gone"), ("type", "d/kind")]));
    assert_eq!(differences(&diff("2 3 d/2003/flat.fits")), told(&[("moved", "d/2004/flat.fits")]));
    assert_eq!(differences(&diff("5 latest")), []);
    assert_eq!(differences(&diff("1 1")), []);
    let said = site.run("-diff data 2 3").ended(0).in_peace();
    let said = said.says(&["moved     d/2003/flat.fits -> d/2004/flat.fits\n", "metadata  d/2003/mode (mode)\n"]);
    let said =
        said.says(&["data: 2 -> 3: 1 created, 0 removed, 1 moved, 0 of other content, 3 of other metadata, 0 of"]);
    assert!(
        !said.out.contains("metadata  d/2003 (mtime)") && said.out.contains("2 folders with a new time only"),
        "{said}"
    );
    site.run("-diff data 2 3 --verbose").ended(0).says(&["metadata  d/2003 (mtime)\n"]);
    site.run("-diff data 3 4").ended(0).says(&["type      d/kind (file -> symlink)\n"]);
    site.run("-diff data 1 99").ended(2).warns(&["there is no snapshot 99"]);
    site.run("-diff data 1 yesterday").ended(64).warns(&["yesterday: neither the number of a snapshot nor"]);
}

#[test]
fn a_first_name_that_goes_is_no_new_content_of_the_second() {
    let site = five_nights();
    fs::remove_file(site.src("d/two/first")).unwrap();
    site.night();
    let said = site.run("-diff data 5 6 d/two --json").ended(0);
    let expected = [("metadata", "d/two"), ("removed", "d/two/first"), ("metadata", "d/two/second")];
    assert_eq!(differences(&said), told(&expected), "{said}");
    let events: Vec<Value> = versions(&site, "d/two/second").into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(events, ["appeared", "metadata"]);
}

#[test]
fn the_source_and_the_mirror_are_compared_as_they_are() {
    let site = five_nights();
    let before = site.everything();
    for words in ["latest source", "source latest", "5 mirror", "mirror source"] {
        let said = site.run(&format!("-diff data {words} --json")).ended(0).in_peace();
        assert_eq!(differences(&said), [], "{words}: {said}");
    }
    site.write("d/new", "new");
    fs::rename(site.src("d/2004/flat.fits"), site.src("d/flat.fits")).unwrap();
    let said = site.run("-diff data latest source --json").ended(0).in_peace();
    let expected = [("metadata", "d"), ("metadata", "d/2004"), ("moved", "d/flat.fits"), ("created", "d/new")];
    assert_eq!(differences(&said), told(&expected));
    let said = site.run("-diff data source 4 d/new d/2003 --json").ended(0).in_peace();
    let expected = [("metadata", "d/2003"), ("created", "d/2003/bias.fits"), ("removed", "d/new")];
    assert_eq!(differences(&said), told(&expected));
    assert!(before == site.everything(), "nothing is written");
    fs::write(site.mirror("d/2003/mode"), "mm").unwrap();
    let said = site.run("-diff data latest mirror --json").ended(0).in_peace();
    assert_eq!(differences(&said), told(&[("content", "d/2003/mode")]));
    let said = site.run("-diff data mirror source d/2003 --json").ended(0).in_peace();
    assert_eq!(differences(&said), told(&[("content", "d/2003/mode")]));
}

#[test]
fn what_cannot_be_read_of_the_source_is_named_and_is_no_difference() {
    let site = Site::of_a_user();
    site.write("d/a", "1");
    site.write("d/b", "2");
    site.give_all_away();
    site.init();
    site.write("d/c", "3");
    site.give_all_away();
    set_mode(&site.src("d/b"), 0);
    let said = site
        .run("-diff data latest source --json")
        .ended(1)
        .says(&["\"path\":\"d/b\",\"target\":\"data\",\"type\":\"problem\""]);
    assert_eq!(differences(&said).last(), told(&[("created", "d/c")]).first(), "{said}");
}

#[test]
fn held_and_rescued_versions_are_found_and_end_nothing() {
    let site = Site::new();
    site.write("d/a", "1");
    site.write("d/b", "b");
    site.init();
    fs::write(site.mirror("d/a"), "somebody's").unwrap();
    site.write("d/b", "bb");
    site.run("-backup data").ended(3);
    let found = |pattern: &str| -> Vec<Value> {
        let said = site.run_words(&["-find", "data", pattern, "--json"]).ended(0).in_peace();
        rows(&said, "version").iter().map(|row| json!([row["snapshot_kind"], row["size"], row["gone"]])).collect()
    };
    for pattern in ["d/a", "d/?"] {
        let of_a = || found(pattern).into_iter().take(2).collect::<Vec<_>>();
        assert_eq!(of_a(), [json!(["backup", 1, null]), json!(["rescue", 10, null])], "{pattern}");
    }
    assert_eq!(found("d/b"), [json!(["backup", 1, null]), json!(["held", 2, null])]);
    site.run("-find data d/a").ended(0).says(&["(rescue)"]);
}

#[test]
fn a_record_or_manifest_that_is_damaged_is_named_and_the_rest_is_answered() {
    let site = five_nights();
    let record = site.mirror(".backup/store/snapshots/000002");
    let good = fs::read(&record).unwrap();
    fs::write(&record, &good[..good.len() - 1]).unwrap();
    for pattern in ["d/2003/bias.fits", "b*.fits"] {
        let said = site.run_words(&["-find", "data", pattern, "--json"]).ended(2).says(&["snapshot 2 is left out: "]);
        let found: Vec<Value> = rows(&said, "version").iter().map(|row| row["snapshots"].clone()).collect();
        assert_eq!(found, [json!([[1, 1]]), json!([[3, 4]])], "{said}");
        assert_eq!(rows(&said, "wrong").len(), 1, "{said}");
    }
    site.run("-diff data 1 3").ended(0);
    site.run("-diff data 1 2").ended(2);
    fs::write(&record, &good).unwrap();
    // Of a mirror on another host the operator remembers manifests, and does not read them again.
    if std::env::var_os("BACKUP_TEST_HOSTS").is_some() {
        return;
    }
    // The newest pack has the last manifest, and nothing that others need.
    let newest = site.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().modified().unwrap()).unwrap();
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, vec![0; bytes.len()]).unwrap();
    for pattern in ["d/2003/bias.fits", "b*.fits"] {
        let said = site.run_words(&["-find", "data", pattern, "--json"]).ended(2).says(&["snapshot 5 is left out: "]);
        let found: Vec<Value> = rows(&said, "version").iter().map(|row| row["snapshots"].clone()).collect();
        assert_eq!(found, [json!([[1, 1]]), json!([[2, 4]])], "{said}");
    }
    site.run("-list data d").ended(2);
    site.run("-list data d --snapshot 4").ended(0);
    fs::remove_file(&newest).unwrap();
    site.run("-find data d/2003/bias.fits").ended(2).warns(&["snapshot 5 is left out: "]);
}

#[test]
fn who_only_reads_needs_no_lock() {
    let site = five_nights();
    let lock = fs::OpenOptions::new().write(true).open(site.mirror(".backup/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let before = site.everything();
    for words in ["-list data d", "-find data bias.fits", "-diff data 1 5", "-diff data 5 source", "-snapshots data"] {
        site.run(words).ended(0).in_peace();
    }
    site.run("-diff data 5 mirror").ended(4);
    assert!(before == site.everything());
}

#[test]
fn the_history_is_found_where_it_is_after_a_swap() {
    let site = five_nights();
    site.run("-swap data").ended(0);
    fs::rename(site.src(""), site.path("dead")).unwrap();
    for words in ["-list data d", "-find data bias.fits", "-diff data 1 5", "-diff data latest source"] {
        let said = site.run(words).ended(0).warns(&["this is the history of the promoted SOURCE"]);
        assert!(!said.out.is_empty(), "{said}");
    }
    site.run("-diff data 5 mirror").ended(2);
}
