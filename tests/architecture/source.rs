//! Just enough of Rust to read `use` lines and paths: comments and literals are blanked, tests are cut out, the rest becomes words.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One file of src.
pub(crate) struct Source {
    /// As `store/index/file.rs`.
    pub(crate) path: String,
    /// As it is, without what is compiled for tests only.
    pub(crate) text: String,
    /// The same with comments blanked, and with `~` for what stands in literals.
    pub(crate) code: String,
    /// Like `code`, with the tests.
    pub(crate) all_code: String,
    /// As `["store", "index", "file"]`; nothing for lib.rs.
    pub(crate) module: Vec<String>,
    /// Whether all of it is compiled for tests only.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let (mut text, mut outside) = (text.as_bytes().to_vec(), code.clone());
        while let Some((from, to)) = test_item(&outside) {
            for bytes in [&mut text, &mut outside] {
                erase(bytes, from, to, b' ');
            }
        }
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if ["mod", "lib"].contains(&module.last().map_or("", String::as_str)) {
            module.pop();
        }
        let is_test = path.ends_with("tests.rs") || path.contains("tests/");
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            path: path.to_owned(),
            text: string(&text),
            code: string(&outside),
            all_code: string(&code),
            module,
            is_test,
        }
    }

    /// The room: the file or folder at the top of src that it belongs to.
    pub(crate) fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    /// Whether it is the file of a folder.
    pub(crate) fn is_mod(&self) -> bool {
        self.path.ends_with("mod.rs")
    }

    /// Lines that hold code, those of its tests too.
    pub(crate) fn code_lines(&self) -> usize {
        self.all_code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Every path that it names outside its tests.
    pub(crate) fn mentions(&self) -> Vec<Mention> {
        mentions(&tokens(&self.code))
    }
}

/// All of a folder, by path.
pub(crate) fn read(root: &Path) -> Vec<Source> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn erase(bytes: &mut [u8], from: usize, to: usize, with: u8) {
    for byte in bytes[from..to].iter_mut().filter(|byte| **byte != b'\n') {
        *byte = with;
    }
}

/// Blanks comments and the insides of literals; every byte stays where it was.
fn blank(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let (open, end, with) = if rest.starts_with(b"//") {
            (0, line_len(rest), b' ')
        } else if rest.starts_with(b"/*") {
            (0, comment_len(rest), b' ')
        } else if let Some((open, len)) = raw_string(&text.as_bytes()[..at], rest) {
            (open, len, b'~')
        } else if rest[0] == b'"' {
            (1, quoted_len(rest, b'"'), b'~')
        } else if rest[0] == b'\'' && is_char(rest) {
            (1, quoted_len(rest, b'\''), b'~')
        } else {
            at += 1;
            continue;
        };
        erase(&mut bytes, at + open, at + end - usize::from(open > 0), with);
        at += end;
    }
    bytes
}

fn line_len(rest: &[u8]) -> usize {
    rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
}

fn comment_len(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Of a raw string, where its inside begins and how long all of it is.
fn raw_string(before: &[u8], rest: &[u8]) -> Option<(usize, usize)> {
    let in_word = before.last().is_some_and(|&b| is_word(b) && b != b'b' && b != b'c');
    let marks = rest.strip_prefix(b"r")?.iter().take_while(|&&b| b == b'#').count();
    if in_word || rest.get(1 + marks) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; marks]].concat();
    let inside = 2 + marks;
    let len = rest[inside..].windows(close.len()).position(|w| w == close)?;
    Some((inside, inside + len + close.len()))
}

fn quoted_len(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Whether a quote begins a character, not a lifetime.
fn is_char(rest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(8)]).into_owned();
    let mut chars = text.chars();
    matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Where the next item begins and ends that is compiled for tests only.
fn test_item(code: &[u8]) -> Option<(usize, usize)> {
    const MARK: &[u8] = b"#[cfg(test)]";
    let from = code.windows(MARK.len()).position(|w| w == MARK)?;
    let (mut depth, mut at) = (0_i32, from + MARK.len());
    while at < code.len() {
        match code[at] {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 && [b';', b'}'].contains(&code[at - 1]) {
            break;
        }
    }
    Some((from, at))
}

/// A word or a mark, and the line it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) line: usize,
    /// A whole word, `::`, or one other character.
    pub(crate) text: String,
}

pub(crate) fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let len = if rest.starts_with("::") {
                2
            } else if is_word(rest.as_bytes()[0]) {
                rest.bytes().take_while(|&b| is_word(b)).count()
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push(Token { line: line + 1, text: rest[..len].to_owned() });
            }
            rest = &rest[len..];
        }
    }
    tokens
}

/// A path that is named, in a `use` or in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) line: usize,
    /// As `["crate", "store", "Store"]`; a glob ends in `*`.
    pub(crate) path: Vec<String>,
}

impl Mention {
    pub(crate) fn starts_with(&self, path: &str) -> bool {
        let mut mine = self.path.iter();
        path.split("::").all(|name| mine.next().is_some_and(|m| m == name))
    }
}

fn mentions(tokens: &[Token]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut at = 0;
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    while at < tokens.len() {
        if text(at) == "use" && text(at + 1) != "<" {
            at = tree(tokens, at + 1, &[], &mut found);
        } else if is_word(text(at).as_bytes()[0]) && text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") {
            let mut path = vec![text(at).to_owned()];
            let line = tokens[at].line;
            while text(at + 1) == "::" && text(at + 2).bytes().next().is_some_and(is_word) {
                path.push(text(at + 2).to_owned());
                at += 2;
            }
            found.push(Mention { line, path });
        }
        at += 1;
    }
    found
}

/// Reads one branch of a `use` and says where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Mention>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => {}
            "as" => at += 1,
            "{" => {
                while tokens.get(at).is_some_and(|t| t.text != "}") {
                    at = tree(tokens, at + 1, &path, found);
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "self" if !prefix.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if path.len() > prefix.len() || tokens.get(at - 1).is_some_and(|t| t.text == "self") {
        found.push(Mention { line: tokens[at - 1].line, path });
    }
    at
}

/// Which module of this crate a path leads to from `from`: the longest part of it that is one. None for other crates.
pub(crate) fn resolve(from: &Source, path: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut at = from.module.clone();
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("crate") => at.clear(),
        // main.rs is a crate of its own.
        Some("backup") if from.room() == "main" => at.clear(),
        Some("self") => {}
        Some("super") => {
            at.pop();
            while rest.get(1).is_some_and(|name| name == "super") {
                at.pop();
                rest = &rest[1..];
            }
        }
        Some(child) if modules.contains(&[at.as_slice(), &[child.to_owned()]].concat()) => {
            at.push(child.to_owned());
        }
        _ => return None,
    }
    for name in &rest[1..] {
        at.push(name.clone());
        if !modules.contains(&at) {
            at.pop();
            break;
        }
    }
    Some(at)
}

#[test]
fn comments_literals_and_tests_are_not_code() {
    let text = "//! use crate::a;\nfn f<'a>() { let _ = ('\"', \"crate::b\", r#\"crate::\"c\"#, b'\\''); /* crate::d /* */ */ g() }\n\
                #[cfg(test)]\nmod tests {\n use crate::e;\n}\nfn last() {}\n";
    let source = Source::new("x.rs", text);
    assert_eq!(source.mentions(), []);
    assert!(source.code.contains("g() }") && source.code.contains("fn last() {}"), "{}", source.code);
    assert_eq!((source.code_lines(), source.text.len()), (6, text.len()));
}

#[test]
fn every_form_of_use_is_understood() {
    let text = "pub use a::{self, b::{c, d as e}, *};\nuse x;\nimpl T + use<'a> {}\nlet y = crate::room::f::<u8>(z::W);\nuse {p::q, r};";
    let found: Vec<String> = Source::new("x.rs", text).mentions().iter().map(|m| m.path.join("::")).collect();
    assert_eq!(found, ["a", "a::b::c", "a::b::d", "a::*", "x", "crate::room::f", "z::W", "p::q", "r"]);
}

#[test]
fn a_path_leads_to_a_module() {
    let modules: BTreeSet<Vec<String>> =
        ["a", "a/b", "a/c", "d"].iter().map(|m| m.split('/').map(str::to_owned).collect()).collect();
    let leads = |from: &str, path: &str| {
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        resolve(&Source::new(from, ""), &path, &modules).map(|m| m.join("::"))
    };
    for (from, path, to) in [
        ("a/b.rs", "super::c::X", Some("a::c")),
        ("a/b.rs", "super::Error", Some("a")),
        ("a/mod.rs", "b::X::Y", Some("a::b")),
        ("a/mod.rs", "super::d", Some("d")),
        ("a/b.rs", "super::super::d::X", Some("d")),
        ("d.rs", "crate::a::b", Some("a::b")),
        ("main.rs", "backup::d::main", Some("d")),
        ("d.rs", "std::fs", None),
    ] {
        assert_eq!(leads(from, path).as_deref(), to, "{path} in {from}");
    }
}
