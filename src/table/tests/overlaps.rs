//! What may lie in what: trees, stores, and those of other targets.

use std::path::Path;

use crate::table::tests::{parse, refused, trees, two, with};

#[test]
fn a_store_without_a_host_is_on_the_host_of_the_mirror() {
    let of = |mirror: &str, store: &str| {
        let text = format!("TARGET t\nSOURCE /s\nMIRROR {mirror}\nDIR d\nSTORE {store}\n");
        let path = parse(text)?.targets[0].store_path().map(Path::to_path_buf);
        Ok::<_, String>(path)
    };
    assert_eq!(of("uhane:/m", "/s/d"), Ok(None));
    assert_eq!(of("uhane:/m", "UHANE.cfht.hawaii.edu:/b"), Ok(None));
    assert_eq!(of("/m", "b"), Ok(Some("/data/tab/b".into())));
    assert_eq!(of("mamane:/m", "localhost:/b"), Ok(Some("/b".into())));
    assert_eq!(of("/m", "/m/.backup/big"), Ok(Some("/m/.backup/big".into())));
    for store in ["uhane:/b", "localhost:/b"] {
        let message = format!(
            "backup.tab:5: STORE {store} is not on the host of MIRROR other:/m (line 3) (write the path alone: it is taken on that host)"
        );
        assert_eq!(of("other:/m", store), Err(message));
    }
}

#[test]
fn source_and_mirror_in_one_another_are_refused() {
    let own = "give the mirror a place of its own";
    for (source, mirror, dirs, message) in [
        ("/x", "/x", "d", format!("3: SOURCE and MIRROR are the same place, /x ({own})")),
        ("localhost:/x", "/x", "d", format!("3: SOURCE and MIRROR are the same place, /x ({own})")),
        ("mamane:/x//y/../", "/./x", "d", format!("3: SOURCE and MIRROR are the same place, /./x ({own})")),
        ("x", "/data/tab/x", "d", format!("3: SOURCE and MIRROR are the same place, /data/tab/x ({own})")),
        ("h:/x", "H.a.b:/x", "d", format!("3: SOURCE and MIRROR are the same place, H.a.b:/x ({own})")),
        ("/x", "/x/d", "c d", "3: MIRROR /x/d lies inside DIR d (line 5) of SOURCE (move the mirror out of it)".into()),
        (
            "/x",
            "/x/d/e/m",
            "d",
            "3: MIRROR /x/d/e/m lies inside DIR d (line 4) of SOURCE (move the mirror out of it)".into(),
        ),
        (
            ".",
            "localhost:/data/tab/m",
            ".",
            "3: MIRROR localhost:/data/tab/m lies inside DIR . (line 4) of SOURCE (move the mirror out of it)".into(),
        ),
        ("/x/y", "/x", "d", format!("2: SOURCE /x/y lies inside MIRROR /x (line 3) ({own})")),
        ("/x", "/", "d", format!("2: SOURCE /x lies inside MIRROR / (line 3) ({own})")),
        // A DIR of SOURCE below what is written on the mirror, or below its `.backup`.
        ("/x", "/x/m", "d m/d/y", format!("3: MIRROR /x/m would be written over DIR m/d/y (line 5) of SOURCE ({own})")),
        (
            "/x",
            "/x/m",
            "m/.backup",
            format!("3: MIRROR /x/m would be written over DIR m/.backup (line 4) of SOURCE ({own})"),
        ),
    ] {
        refused(trees(source, mirror, dirs), &message);
    }
}

#[test]
fn a_mirror_beside_the_dirs_or_on_another_host_is_accepted() {
    for (source, mirror, dirs) in [
        ("/x", "/x/m", "d dm"),
        ("/x", "/xy", "."),
        ("/x/y", "/x/z", "."),
        ("h:/x", "i:/x", "."),
        ("h:/x", "/x", "."),
        ("h.a.b:/x", "h.c.d:/x", "."),
        ("h:/x/y", "i:/x", "."),
        ("h:x", "h:/x", "."),
    ] {
        assert!(trees(source, mirror, dirs).is_ok(), "{source} {mirror} {dirs}");
    }
}

#[test]
fn mirrors_of_two_targets_that_overlap_are_refused() {
    for (first, second) in
        [("/m", "/m"), ("/m", "/m/two"), ("/m/one", "/m"), ("h:/m", "h.a.b:/m/./x"), ("mamane:/data/tab/m", "m")]
    {
        let message = format!(
            "7: MIRROR {second} overlaps the mirror of target one, {first} (line 3) (give each target a mirror of its own)"
        );
        refused(two(&format!("MIRROR {first}"), &format!("MIRROR {second}")), &message);
    }
    assert!(two("MIRROR /m/one", "MIRROR /m/one.two").is_ok());
    assert!(two("MIRROR h:/m", "MIRROR i:/m").is_ok());
}

#[test]
fn stores_in_trees_or_in_other_stores_are_refused() {
    for (store, message) in [
        ("/s/d/x", "5: STORE /s/d/x overlaps DIR d (line 4) of SOURCE (give the store a folder of its own)"),
        ("/m/d", "5: STORE /m/d overlaps DIR d (line 4) of MIRROR (give the store a folder of its own)"),
        ("/m", "5: STORE /m overlaps DIR d (line 4) of MIRROR (give the store a folder of its own)"),
        ("/", "5: STORE / overlaps DIR d (line 4) of SOURCE (give the store a folder of its own)"),
    ] {
        refused(with(&format!("STORE {store}")), message);
    }
    for store in ["/s/x", "/m/x", "/m/.backup/x"] {
        assert!(with(&format!("STORE {store}")).is_ok(), "{store}");
    }
    for (first, second, message) in [
        (
            "MIRROR /m\nSTORE /b",
            "MIRROR /n\nSTORE /b/x",
            "9: STORE /b/x overlaps the store of target one, /b (line 4) (give each target a store of its own)",
        ),
        (
            "MIRROR /m",
            "MIRROR /n\nSTORE /m/d/x",
            "8: STORE /m/d/x overlaps the mirror of target one, /m (line 3) (give the store a folder of its own)",
        ),
        (
            "MIRROR /m",
            "MIRROR /n\nSTORE /m/.backup",
            "8: STORE /m/.backup overlaps the mirror of target one, /m (line 3) (give the store a folder of its own)",
        ),
        (
            "MIRROR /m\nSTORE /n/d",
            "MIRROR /n",
            "8: MIRROR /n overlaps the store of target one, /n/d (line 4) (give the mirror a place of its own)",
        ),
    ] {
        refused(two(first, second), message);
    }
    assert!(two("MIRROR /m\nSTORE /b/one", "MIRROR /n\nSTORE /b/two").is_ok());
}
