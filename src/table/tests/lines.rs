//! Lines that cannot be read, and entries that lack a part.

use crate::table::tests::{START, parse, refused, with};

#[test]
fn a_line_that_cannot_be_read_is_refused() {
    let all = "one of TARGET, SOURCE, MIRROR, DIR, KEEP, EXCLUDE, STORE, HOLD, RSH";
    for (line, message) in [
        ("SORUCE /x", "5: unknown keyword SORUCE (SOURCE?)"),
        ("source /x", "5: unknown keyword source (SOURCE?)"),
        ("Dir x", "5: unknown keyword Dir (DIR?)"),
        ("MIRROR: /x", "5: unknown keyword MIRROR: (MIRROR?)"),
        ("OWNER x", &format!("5: unknown keyword OWNER ({all})")),
        ("\x07 x", &format!("5: unknown keyword \\x07 ({all})")),
        (&"x".repeat(200), &format!("5: unknown keyword {}... ({all})", "x".repeat(40))),
        ("DIR \0", "5: a NUL byte in this line (a table is plain text: save it as UTF-8)"),
        ("DIR", "5: DIR without a value (as in DIR folder, or DIR . for all of SOURCE)"),
        ("KEEP  \t", "5: KEEP without a value (as in KEEP last 7 daily 30)"),
        ("TARGET", "5: TARGET without a value (as in TARGET name)"),
        ("SOURCE", "5: SOURCE without a value (as in SOURCE host:/path)"),
        ("SOURCE /x", "5: SOURCE a second time, first on line 2 (a target has one: remove the other)"),
        ("MIRROR /x", "5: MIRROR a second time, first on line 3 (a target has one: remove the other)"),
        ("STORE /x\nSTORE /x", "6: STORE a second time, first on line 5 (a target has one: remove the other)"),
        ("KEEP last 1\nKEEP daily 2", "6: KEEP a second time, first on line 5 (a target has one: remove the other)"),
        ("HOLD 1%\nHOLD 2%", "6: HOLD a second time, first on line 5 (a target has one: remove the other)"),
        ("RSH ssh\nRSH ssh", "6: RSH a second time, first on line 5 (a target has one: remove the other)"),
        ("EXCLUDE *.o\nEXCLUDE x\nEXCLUDE *.o", "7: EXCLUDE *.o a second time, first on line 5 (remove one of them)"),
    ] {
        refused(with(line), message);
    }
}

#[test]
fn keywords_before_any_target_are_refused() {
    for keyword in ["SOURCE", "MIRROR", "DIR", "EXCLUDE", "STORE", "KEEP", "HOLD", "RSH"] {
        let message = format!("2: {keyword} before any TARGET (begin the entry with a line TARGET name)");
        refused(parse(format!("# head\n{keyword} x\nTARGET t\n")), &message);
    }
}

#[test]
fn a_table_without_a_target_is_refused() {
    for text in ["", "\n\n", "# nothing\r\n", "\u{feff}"] {
        refused(parse(text), " no TARGET in this table (an entry begins with a line TARGET name)");
    }
}

#[test]
fn names_that_commands_could_not_take_are_refused() {
    for (name, message) in [
        (&b"a b"[..], "target name a b holds white space (use - or _ in its place)"),
        ("a\u{a0}b".as_bytes(), "target name a\u{a0}b holds white space (use - or _ in its place)"),
        (b"a\x07", "target name a\\x07 holds a control character (use plain letters)"),
        (b"a\tb", "target name a\\x09b holds a control character (use plain letters)"),
        (b"-all", "target name -all begins with -, as options do (begin with a letter)"),
        (b"/data", "target name /data holds a / (use - or _ in its place)"),
        (b"a/b", "target name a/b holds a / (use - or _ in its place)"),
        (b"..", "target name .. names a folder (use plain letters)"),
        (b"a\x80", "target name a\\x80 is not UTF-8 (use plain letters)"),
    ] {
        let text = [b"TARGET ", name, b"\n"].concat();
        refused(parse(text), &format!("1: {message}"));
    }
    let text = format!("{START}TARGET t\n");
    refused(parse(text), "5: target t a second time, first on line 1 (choose another name)");
}

#[test]
fn a_target_with_a_part_missing_is_refused_at_its_own_line() {
    for (text, message) in [
        ("\nTARGET t\nMIRROR /m\nDIR d", "2: target t has no SOURCE (add a line SOURCE host:/path)"),
        ("TARGET t\nSOURCE /s\nDIR d", "1: target t has no MIRROR (add a line MIRROR host:/path)"),
        (
            "TARGET t\nSOURCE /s\nMIRROR /m",
            "1: target t has no DIR (add a line DIR folder, or DIR . for all of SOURCE)",
        ),
        ("TARGET t\nTARGET u", "1: target t has no SOURCE (add a line SOURCE host:/path)"),
        // The mistake that made the part go missing comes first, one in the next target does not.
        ("TARGET t\nSORUCE /s\nMIRROR /m\nDIR d", "2: unknown keyword SORUCE (SOURCE?)"),
        ("TARGET t\nSOURCE /s\nDIR d\nTARGET u\nXYZZY", "1: target t has no MIRROR (add a line MIRROR host:/path)"),
    ] {
        refused(parse(text), message);
    }
}
