//! Nothing in a table makes the parser panic or gets a control character onto the terminal.

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use proptest::strategy::Strategy;

use crate::table::tests::{START, parse, status};

/// Lines that look like a table, so that the random ones reach past the keyword.
fn likely_line() -> impl Strategy<Value = Vec<u8>> {
    let keyword = prop::sample::select(vec![
        "TARGET ",
        "SOURCE ",
        "MIRROR ",
        "DIR ",
        "EXCLUDE ",
        "STORE ",
        "KEEP ",
        "HOLD ",
        "RSH ",
        "",
        "TARGET a",
        "SOURCE h:/",
        "MIRROR /",
        "KEEP within ",
        "EXCLUDE {[",
        "HOLD 9",
        "DIR ../",
    ]);
    let value = prop::collection::vec(any::<u8>(), 0..12);
    (keyword, value).prop_map(|(keyword, value)| [keyword.as_bytes(), &value, b"\n"].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(parse(&bytes));
        drop(parse([START.as_bytes(), &bytes].concat()));
    }

    #[test]
    fn random_lines_never_panic_and_print_without_control_characters(
        lines in prop::collection::vec(likely_line(), 0..12)
    ) {
        for text in [lines.concat(), [START.as_bytes(), &lines.concat()].concat()] {
            match parse(text) {
                Ok(table) => {
                    let text = status(&table);
                    assert!(!text.replace('\n', "").contains(char::is_control));
                }
                Err(message) => assert!(!message.contains(char::is_control), "{message}"),
            }
        }
    }
}
