//! A table with the two places of a target exchanged: every other byte stays, and what would be refused is refused.

use std::path::Path;

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};
use proptest::strategy::Strategy;

use crate::table::Table;
use crate::table::tests::{ELIXIR, parse};

const HOST: &str = "mamane.cfht.hawaii.edu";

fn exchanged(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let (file, folder) = (Path::new("backup.tab"), Path::new("/data/tab"));
    let table = parse(bytes)?;
    table.exchanged(bytes, name, file, folder, HOST).map_err(|e| e.to_string())
}

#[track_caller]
fn becomes(before: &str, name: &str, after: &str) {
    let new = exchanged(before.as_bytes(), name).unwrap();
    assert_eq!(String::from_utf8(new).unwrap(), after);
}

#[test]
fn only_the_two_values_change() {
    let table = format!(
        "\u{feff}# SOURCE of all\r\n{ELIXIR}\n#MIRROR x\nTARGET b\n\tMIRROR\t /m \t\r\n SOURCE /s #1\nDIR SOURCE\nDIR .x"
    );
    let elixir = table
        .replace("SOURCE  uhane:/local/data/elixir", "SOURCE  mamane:/local/data/mamane/elixir.mirror")
        .replace("MIRROR  mamane:/local/data/mamane/elixir.mirror", "MIRROR  uhane:/local/data/elixir");
    becomes(&table, "elixir", &elixir);
    let b = table.replace("MIRROR\t /m \t\r\n", "MIRROR\t /s #1 \t\r\n").replace("SOURCE /s #1", "SOURCE /m");
    becomes(&table, "b", &b);
}

#[test]
fn the_example_is_exchanged_too() {
    let text = include_str!("../../../backup.tab.example");
    let table = text.replace("SOURCE  .\n", "SOURCE  sources\n");
    let wanted = table.replace("SOURCE  sources", "SOURCE  #").replace("target/example.mirror", "sources");
    becomes(&table, "example", &wanted.replace("SOURCE  #", "SOURCE  target/example.mirror"));
}

#[test]
fn the_store_becomes_a_comment() {
    becomes(
        "TARGET t\nSOURCE /s\n\t STORE /big t \r\nMIRROR h:/m\nDIR d",
        "t",
        "TARGET t\nSOURCE h:/m\n\t # STORE /big t   (of h:/m until the swap) \r\nMIRROR /s\nDIR d",
    );
}

#[test]
fn a_table_that_would_be_refused_is_told_in_its_own_words() {
    let inside = b"TARGET t\nSOURCE /a\nMIRROR /a/m\nDIR d\n";
    let words = "backup.tab:2: with SOURCE and MIRROR of t exchanged it would be refused: SOURCE /a/m lies inside MIRROR /a (line 3)";
    assert!(exchanged(inside, "t").unwrap_err().starts_with(words));
    let two = b"TARGET t\nSOURCE /a\nMIRROR /m\nDIR d\nTARGET u\nSOURCE /b\nMIRROR /a\nDIR e\n";
    assert!(exchanged(two, "t").unwrap_err().contains("MIRROR /a overlaps the mirror of target t"));
    assert!(exchanged(two, "nobody").unwrap_err().contains("do it by hand"));
}

/// Words, blanks, line ends and what stands between the lines, all of it at random.
fn table() -> impl Strategy<Value = Vec<u8>> {
    let blank = || prop::sample::select(vec!["", " ", "\t", " \t  "]);
    let gap = || prop::sample::select(vec![" ", "\t", "  \t "]);
    let end = || prop::sample::select(vec!["\n", "\r\n", "\n\n", "\n# SOURCE /x\n", " \n", "\t\r\n"]);
    let place = prop::sample::select(vec!["/s", "h:/s a #", "./s", "far.away:s", "/s\u{7}\u{80}"]);
    let other = prop::sample::select(vec!["/m", "localhost:/m", "g:m", "/m (of x)"]);
    let lines = prop::collection::vec((blank(), gap(), end()), 6);
    (place, other, lines, prop::bool::ANY, prop::bool::ANY).prop_map(|(source, mirror, looks, order, last)| {
        let mut words = vec![("SOURCE", source), ("MIRROR", mirror), ("DIR", "d"), ("HOLD", "20%")];
        if order {
            words.reverse();
        }
        words.splice(0..0, [("TARGET", "a")]);
        let mut text = String::from("TARGET z\nSOURCE /zs\nMIRROR /zm\nDIR d\n");
        for ((keyword, value), (blank, gap, end)) in words.into_iter().zip(looks) {
            text.extend([blank, keyword, gap, value, end]);
        }
        let text = if last { text.trim_end_matches(['\n', '\r']).to_owned() } else { text };
        text.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exchanged_twice_is_as_before(table in table()) {
        let once = exchanged(&table, "a").unwrap();
        let (old, new): (Table, Table) = (parse(&table).unwrap(), parse(&once).unwrap());
        prop_assert_eq!(&old.targets[1].source, &new.targets[1].mirror);
        prop_assert_eq!(&old.targets[1].mirror, &new.targets[1].source);
        prop_assert_eq!(&old.targets[0], &new.targets[0]);
        prop_assert_eq!(exchanged(&once, "a").unwrap(), table);
    }
}
