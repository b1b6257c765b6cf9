//! An agent that says something else than it should: every client ends soon, in an error that names the host, and without a panic.

use super::Hosts;
use backup::entry::{ChunkRef, Node};
use backup::format::snapshot::Kind;
use backup::fs::dir::Dir;
use backup::manifest::cursor::Cursor;
use backup::mirror::end::End;
use backup::mirror::service::Draft;
use backup::monitor::Silent;
use backup::path::RelPath;
use backup::remote::message::{Answer, Event, Fault, Message, Opened, Packed};
use backup::scan::selection::Selection;
use backup::source::snapshot::{Request, Trust, take};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use proptest::sample::Index;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Any = Box<dyn std::error::Error + Send + Sync>;

/// Longer than a client may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks a far end everything there is, and gives what it ended with.
fn everything(hosts: &Hosts) -> Result<(), Any> {
    let (far, selection) = (hosts.far(), Selection::everything());
    far.role()?;
    far.records()?;
    far.room(true)?;
    let mirror = far.open(&Silent)?;
    mirror.tidy(backup::entry::Time::default(), &Silent)?;
    let parent = mirror.newest(|record| record.kind == Kind::Backup)?;
    let request = Request {
        root: Arc::new(Dir::open(&hosts.at("source"))?),
        selection: &selection,
        parent: parent.as_ref().map(|record| record.root),
        trust: parent.as_ref().map_or(Trust::Nothing, |record| Trust::Identity(record.time)),
        of_mirror: None,
        filter: None,
        without_caches: false,
        chunker: mirror.chunker(),
    };
    let taken = take(request, mirror.as_ref(), &Silent)?;
    let look = mirror.look(&selection, &Silent)?;
    mirror.settle()?;
    mirror.survey(&look, taken.root, &selection)?;
    let draft = Draft {
        kind: Kind::Backup,
        time: backup::entry::Time { seconds: 2_000_000_000, nanoseconds: 0 },
        source: b"uhane:/data".to_vec(),
        dirs: vec![RelPath::root()],
        root: taken.root,
        totals: taken.totals,
        users: Vec::new(),
        groups: Vec::new(),
        note: String::new(),
    };
    let record = mirror.commit(draft)?;
    let mut cursor = Cursor::new(record.root, mirror.reader()?)?;
    let mut entries = Vec::new();
    while let Some(entry) = cursor.next_entry()? {
        entries.push(entry);
    }
    assert!(entries.iter().any(|entry| matches!(entry.node, Node::File { .. })));
    let (chunks, mut reader) = (super::chunks(&entries), mirror.reader()?);
    mirror.expect(chunks.clone());
    for chunk in &chunks {
        assert_eq!(backup::id::Id::of(reader.read(chunk)?), chunk.id, "what is read is what was asked for");
    }
    mirror.publish(&look, &record, &selection, &Silent)?;
    mirror.role();
    mirror.verify(true, &Silent)?;
    Ok(())
}

/// The same with an agent whose messages are changed on the way. Panics if the client does, or does not end.
fn told(hosts: Hosts, tamper: impl FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send + 'static) -> Result<(), String> {
    *hosts.wire.tamper.lock().unwrap() = Some(Box::new(tamper));
    let (ended, end) = channel();
    std::thread::spawn(move || ended.send(everything(&hosts).map_err(|e| e.to_string())));
    end.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("the client panicked, or still waits: {e}"))
}

fn is_named(told: &Result<(), String>) {
    if let Err(text) = told {
        assert!(text.starts_with("mamane: ") && text.lines().count() == 1, "{text}");
    }
}

/// Two nights that nothing disturbed, and changes since.
fn hosts() -> Hosts {
    let hosts = Hosts::new();
    let far = hosts.far();
    far.init(7).unwrap();
    hosts.night(&far);
    hosts.write("deep/er/0001", b"changed");
    hosts.write("new", &super::noise(600 << 10, 5));
    hosts
}

/// Changes one kind of answer.
fn changed(change: impl Fn(&mut Answer) + Send + 'static) -> impl FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send {
    move |bytes| match Message::decode(&bytes) {
        Ok(Message::Answer(number, Ok(mut answer))) => {
            change(&mut answer);
            vec![Message::Answer(number, Ok(answer)).encode().unwrap()]
        }
        _ => vec![bytes],
    }
}

fn opened(change: impl Fn(&mut Opened) + Send + 'static) -> impl FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send {
    changed(move |answer| {
        if let Answer::Opened(opened) = answer {
            change(opened);
        }
    })
}

fn packed(change: impl Fn(&mut Packed) + Send + 'static) -> impl FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send {
    changed(move |answer| {
        if let Answer::Chunks(blocks) = answer {
            blocks.iter_mut().for_each(&change);
        }
    })
}

#[test]
fn an_agent_that_nothing_disturbs_is_believed() {
    assert_eq!(told(hosts(), |bytes| vec![bytes]), Ok(()));
}

#[test]
fn a_mirror_that_cannot_be_is_not_opened() {
    let refused = |told: Result<(), String>| {
        let text = told.unwrap_err();
        assert!(text.starts_with("mamane: damaged data on the connection: an answer that does not fit"), "{text}");
    };
    for (min, average, max) in [(0, 0, 0), (1 << 18, 1 << 20, usize::MAX), (1 << 20, 1 << 18, 1 << 22), (0, 1, 2)] {
        refused(told(
            hosts(),
            opened(move |opened| {
                (opened.chunker.min, opened.chunker.average, opened.chunker.max) = (min, average, max);
            }),
        ));
    }
    refused(told(hosts(), opened(|opened| opened.sequences = vec![3, 2, 1])));
    refused(told(hosts(), opened(|opened| opened.sequences = vec![1, 1])));
    refused(told(hosts(), opened(|opened| opened.records.iter_mut().for_each(|record| record.sequence = u64::MAX))));
    refused(told(hosts(), opened(|opened| opened.role.target = "another".to_owned())));
}

#[test]
fn content_that_is_not_what_was_asked_for_is_not_given_out() {
    let wrong = |told: Result<(), String>| {
        is_named(&told);
        told.unwrap_err()
    };
    wrong(told(hosts(), packed(|block| block.stored.truncate(1))));
    wrong(told(hosts(), packed(|block| block.stored = vec![7; 3 << 20])));
    wrong(told(hosts(), packed(|block| block.header = vec![0xff; 40])));
    wrong(told(hosts(), packed(|block| block.chunks.iter_mut().for_each(|(at, _)| *at = u32::MAX))));
    wrong(told(hosts(), packed(|block| block.chunks.iter_mut().for_each(|(_, chunk)| chunk.length = u32::MAX))));
    wrong(told(
        hosts(),
        packed(|block| block.chunks = vec![(0, ChunkRef { id: backup::id::Id::of(b""), length: 0 }); 9]),
    ));
    wrong(told(
        hosts(),
        changed(|answer| {
            if let Answer::Chunks(blocks) = answer {
                blocks.clear();
            }
        }),
    ));
}

#[test]
fn answers_of_another_length_than_the_question_or_without_end_are_refused() {
    let refused =
        |told: Result<(), String>| assert!(told.as_ref().is_err_and(|text| text.contains("does not fit")), "{told:?}");
    refused(told(
        hosts(),
        changed(|answer| {
            if let Answer::Missing(missing) = answer {
                missing.push(true);
            }
        }),
    ));
    refused(told(
        hosts(),
        changed(|answer| {
            if let Answer::Missing(missing) = answer {
                missing.clear();
            }
        }),
    ));
    refused(told(
        hosts(),
        changed(|answer| {
            if let Answer::Records(records, more) = answer {
                *more = true;
                for (number, _) in records {
                    *number = 5;
                }
            }
        }),
    ));
    // A larger number each time.
    let next = Mutex::new(1);
    refused(told(
        hosts(),
        changed(move |answer| {
            if let Answer::Records(records, more) = answer {
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                *next += 1;
                *more = true;
                *records = vec![(*next, Err("x".to_owned()))];
            }
        }),
    ));
    refused(told(
        hosts(),
        changed(|answer| {
            if let Answer::Record(record) = answer {
                record.root.length += 1;
            }
        }),
    ));
}

/// What becomes of a message.
#[derive(Clone, Debug)]
enum Lie {
    Bytes(Vec<(Index, u8)>),
    Cut(Index),
    Number(u64),
    Earlier(Index),
    Twice,
    Noise(Vec<u8>),
    Events(u32),
    Fault(String),
}

fn lies() -> impl Strategy<Value = Lie> {
    prop_oneof![
        4 => prop::collection::vec((any::<Index>(), any::<u8>()), 1..4).prop_map(Lie::Bytes),
        1 => any::<Index>().prop_map(Lie::Cut),
        1 => any::<u64>().prop_map(Lie::Number),
        2 => any::<Index>().prop_map(Lie::Earlier),
        1 => (0..1).prop_map(|_| Lie::Twice),
        1 => prop::collection::vec(any::<u8>(), 1..50).prop_map(Lie::Noise),
        1 => (1..20_000_u32).prop_map(Lie::Events),
        1 => "[\u{0}-\u{7f}]{0,20}".prop_map(Lie::Fault),
    ]
}

/// The message as it is sent instead.
fn lie(lie: &Lie, mut bytes: Vec<u8>, before: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let number = match Message::decode(&bytes) {
        Ok(Message::Answer(number, _) | Message::Event(number, _) | Message::Pull(number, _)) => number,
        _ => 0,
    };
    let encoded = |message: Message| message.encode().unwrap();
    match lie {
        Lie::Bytes(changes) => {
            for (at, byte) in changes {
                *at.get_mut(&mut bytes) = *byte;
            }
            vec![bytes]
        }
        Lie::Cut(at) => {
            // An empty message is the end of the port.
            bytes.truncate(at.index(bytes.len()).max(1));
            vec![bytes]
        }
        Lie::Number(other) => match Message::decode(&bytes) {
            Ok(Message::Answer(_, answer)) => vec![encoded(Message::Answer(*other, answer))],
            _ => vec![bytes],
        },
        Lie::Earlier(which) if !before.is_empty() => match Message::decode(&before[which.index(before.len())]) {
            Ok(Message::Answer(_, answer)) => vec![encoded(Message::Answer(number, answer))],
            _ => vec![bytes],
        },
        Lie::Earlier(_) => vec![bytes],
        Lie::Twice => vec![bytes.clone(), bytes],
        Lie::Noise(noise) => vec![noise.clone()],
        Lie::Events(count) => {
            let events = (0..*count).map(|n| encoded(Message::Event(number, Event::Advance(n.into(), u64::MAX))));
            events.chain([bytes]).collect()
        }
        Lie::Fault(text) => vec![encoded(Message::Answer(number, Err(Fault::Failed(text.clone()))))],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 40, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn whatever_an_agent_says_its_client_ends_and_names_it(at in 0..60_usize, what in lies()) {
        let (mut before, mut count) = (Vec::new(), 0);
        let result = told(hosts(), move |bytes| {
            count += 1;
            let said = if count == at + 1 { lie(&what, bytes.clone(), &before) } else { vec![bytes.clone()] };
            before.push(bytes);
            said
        });
        is_named(&result);
    }
}
