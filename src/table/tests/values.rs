//! The values of EXCLUDE, KEEP, HOLD and RSH.

use crate::table::Keep;
use crate::table::tests::{START, parse, refused, with};

#[test]
fn patterns_that_globset_cannot_use_are_refused() {
    let hint = "(put a \\ before a letter that stands for itself)";
    for (glob, start) in [("a[", "5: EXCLUDE a[ is not a pattern: "), ("{a", "5: EXCLUDE {a is not a pattern: ")] {
        let message = with(&format!("EXCLUDE {glob}")).unwrap_err();
        assert!(message.starts_with(&format!("backup.tab:{start}")), "{message}");
        assert!(message.ends_with(hint), "{message}");
    }
    let bytes = [START.as_bytes(), b"EXCLUDE \x80\n"].concat();
    refused(parse(bytes), "5: EXCLUDE \\x80 is not UTF-8 (put a ? for each byte that is not)");
    refused(
        with(&format!("EXCLUDE {}", "a".repeat(1001))),
        "5: this EXCLUDE is too long, 1001 bytes (at most 1000: use several)",
    );
    // It parses, and the compiler behind it gives up.
    let deep = format!("EXCLUDE {}a{}", "{".repeat(499), "}".repeat(499));
    assert!(with(&deep).is_err());
}

#[test]
fn keep_reads_counts_and_times() {
    let keep = |text: &str| with(&format!("KEEP {text}")).unwrap().targets.remove(0).keep.unwrap();
    assert_eq!(
        keep("last 7 hourly 24 daily 30 weekly 12 monthly 24 yearly 10"),
        Keep {
            last: Some(7),
            hourly: Some(24),
            daily: Some(30),
            weekly: Some(12),
            monthly: Some(24),
            yearly: Some(10),
            ..Keep::default()
        }
    );
    for (text, hours) in [("12h", 12), ("30d", 720), ("2w", 336), ("1y", 8760)] {
        assert_eq!(keep(&format!("within {text}")).within, Some(hours * 3600));
        assert_eq!(keep(&format!("lastcopy\t{text}")).lastcopy, Some(hours * 3600));
    }
    keep("within 4294967295y");
}

#[test]
fn keep_with_a_mistake_is_refused() {
    let words = "one of last, hourly, daily, weekly, monthly, yearly, within, lastcopy";
    for (text, message) in [
        ("dayly 3", "KEEP has an unknown word dayly (daily?)"),
        ("Daily 3", "KEEP has an unknown word Daily (daily?)"),
        ("7", &format!("KEEP has an unknown word 7 ({words})")),
        ("last 7 30", &format!("KEEP has an unknown word 30 ({words})")),
        ("last", "KEEP last without a count (as in last 7)"),
        ("last daily 3", "KEEP last daily is not a count (a whole number, as in last 7)"),
        ("last -1", "KEEP last -1 is not a count (a whole number, as in last 7)"),
        ("last +1", "KEEP last +1 is not a count (a whole number, as in last 7)"),
        ("last 4294967296", "KEEP last 4294967296 is not a count (a whole number, as in last 7)"),
        ("last 0", "KEEP last of zero keeps nothing (leave last out, or give it 1 or more)"),
        ("daily 3 last 7 daily 3", "KEEP daily a second time (remove one of them)"),
        ("within", "KEEP within without a time (as in within 30d; h, d, w, y)"),
        ("within 30", "KEEP within 30 is not a time (a whole number and h, d, w or y, as in within 30d)"),
        ("within 3m", "KEEP within 3m is not a time (a whole number and h, d, w or y, as in within 30d)"),
        ("lastcopy d", "KEEP lastcopy d is not a time (a whole number and h, d, w or y, as in lastcopy 30d)"),
        ("lastcopy 0d", "KEEP lastcopy of zero keeps nothing (leave lastcopy out, or give it 1 or more)"),
    ] {
        refused(with(&format!("KEEP {text}")), &format!("5: {message}"));
    }
}

#[test]
fn hold_is_a_whole_percentage() {
    for (text, percent) in [("1%", 1), ("50%", 50), ("50 %", 50), ("100%", 100)] {
        let table = with(&format!("HOLD {text}")).unwrap();
        assert_eq!(table.targets[0].hold.unwrap().percent(), percent);
    }
    refused(with("HOLD 50"), "5: HOLD 50 has no percent sign (HOLD 50%?)");
    for text in ["0%", "101%", "256%", "1.5%", "-5%", "+5%", "%", "half", "0"] {
        let message = format!("5: HOLD {text} is not a percentage (a whole number from 1% to 100%, as in HOLD 50%)");
        refused(with(&format!("HOLD {text}")), &message);
    }
}

#[test]
fn rsh_is_cut_into_words_outside_of_quotes() {
    for (text, words) in [
        ("ssh", &["ssh"][..]),
        ("ssh  -p\t2222", &["ssh", "-p", "2222"]),
        ("'/my bin/ssh' -o \"User it's\" ''", &["/my bin/ssh", "-o", "User it's", ""]),
        ("a'b c'd $HOME \\", &["ab cd", "$HOME", "\\"]),
    ] {
        let rsh = with(&format!("RSH {text}")).unwrap().targets.remove(0).rsh.unwrap();
        let found: Vec<_> = std::iter::once(rsh.program()).chain(rsh.arguments().iter().map(AsRef::as_ref)).collect();
        assert_eq!(found, words, "{text}");
    }
    refused(with("RSH ssh 'x"), "5: RSH has a quote that is not closed (add the other one)");
    refused(with("RSH '' x"), "5: RSH names no program (as in RSH ssh -p 2222)");
}
