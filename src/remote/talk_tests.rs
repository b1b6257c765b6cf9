//! A conversation with somebody who says what a test wants, right or wrong.

use super::{Failure, Talk};
use crate::format::config::{Config, StoreId};
use crate::id::Id;
use crate::limits::PUT_BYTES;
use crate::path::RelPath;
use crate::remote::far_put::Puts;
use crate::remote::line::{Line, Options, Port};
use crate::remote::message::{Answer, Ask, Event, Fault, Message, Packed, Pull, Push};
use crate::store::history::{History, Past};
use crate::{fs, mirror, store};
use std::io::pipe;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Both ends of a line.
struct Pair {
    talk: Talk,
    other: Port,
    lines: (Line, Line),
}

fn pair() -> Pair {
    let (there, back) = (pipe().unwrap(), pipe().unwrap());
    let other = std::thread::spawn(|| Line::open("client".to_owned(), there.0, back.1, Options::default()).unwrap());
    let ours = Line::open("mamane".to_owned(), back.0, there.1, Options::default()).unwrap();
    let other = other.join().unwrap();
    Pair { talk: Talk::new("mamane".to_owned(), ours.talk()).unwrap(), other: other.talk(), lines: (ours, other) }
}

impl Pair {
    fn asked(&self) -> (u64, Ask) {
        match Message::decode(&self.other.receive().unwrap().unwrap()).unwrap() {
            Message::Ask(number, ask) => (number, ask),
            other => panic!("{other:?}"),
        }
    }

    fn say(&self, message: &Message) {
        self.other.send(&message.encode().unwrap()).unwrap();
    }

    fn answer(&self, number: u64, answer: Result<Answer, Fault>) {
        self.say(&Message::Answer(number, answer));
    }
}

#[test]
fn answers_in_any_order_reach_who_asked() {
    let pair = pair();
    let pending: Vec<_> = (0..50).map(|n| pair.talk.begin(Ask::Record(n)).unwrap()).collect();
    let (sender, told) = channel();
    pair.talk.then(Ask::Sequences, move |answer| sender.send(answer.is_ok()).unwrap()).unwrap();
    let mut asked: Vec<_> = (0..51).map(|_| pair.asked()).collect();
    asked.reverse();
    for (number, ask) in asked {
        let answer = if let Ask::Record(n) = ask { Answer::Number(n) } else { Answer::Sequences(Vec::new()) };
        pair.answer(number, Ok(answer));
    }
    for (n, pending) in (0..).zip(pending) {
        assert!(matches!(pending.wait(), Ok(Answer::Number(found)) if found == n));
    }
    assert!(told.recv().unwrap());
}

#[test]
fn what_happens_meanwhile_is_told_in_order_and_with_nothing_that_a_terminal_obeys() {
    let pair = pair();
    let mut heard = Vec::new();
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (number, _) = pair.asked();
            pair.say(&Message::Event(number, Event::Note("a\x1b[2J\n".to_owned())));
            (0..10_000).for_each(|n| pair.say(&Message::Event(number, Event::Advance(n, 0))));
            pair.say(&Message::Event(number, Event::Problem(RelPath::new("x").unwrap(), "\u{202e}".to_owned())));
            pair.answer(number, Err(Fault::Refused("no\x07".to_owned())));
        });
        pair.talk.ask(Ask::Role, &mut |event| heard.push(event))
    });
    assert_eq!(heard.len(), 10_002);
    assert_eq!(heard[0], Event::Note("a\\x1b[2J\\x0a".to_owned()));
    assert_eq!(heard[5000], Event::Advance(4999, 0));
    let refused = mirror::Error::from(answer.unwrap_err());
    assert!(matches!(&refused, mirror::Error::Refused(text) if text == "mamane: no\\x07"), "{refused}");
}

#[test]
fn every_fault_becomes_the_error_that_its_caller_tells_apart() {
    let failure = |fault| Failure::Fault { host: "mamane".to_owned(), fault };
    let text = || "why".to_owned();
    for (fault, expected) in [
        (Fault::Failed(text()), "mamane: why"),
        (Fault::Damaged(text()), "mamane: why"),
        (
            Fault::Unreadable(text()),
            "why: nobody knows whether that lasts, so the copying of the history ends here, and the same command goes on with \
                                    it. What stays unreadable, move out of its folder: then the history is copied without it, and what is lost is named",
        ),
        (Fault::NoSnapshot(3), "there is no snapshot 3; `backup -snapshots TARGET` lists them"),
    ] {
        let is_damage = matches!(fault, Fault::Damaged(_));
        let error = store::Error::from(failure(fault));
        assert_eq!((error.to_string().as_str(), error.is_damage()), (expected, is_damage));
    }
    let locked = mirror::Error::from(failure(Fault::Locked("/data".to_owned())));
    assert!(matches!(&locked, mirror::Error::Locked(place) if place == "mamane:/data"), "{locked}");
}

#[test]
fn an_answer_to_nothing_and_noise_end_the_conversation_for_all() {
    let answer = |number| Message::Answer(number, Ok(Answer::Done)).encode().unwrap();
    let push = Message::Push(1, Ok(Push::Bytes(Vec::new()))).encode().unwrap();
    for noise in [answer(77), push, b"noise".to_vec(), [answer(1), vec![0]].concat()] {
        let pair = pair();
        let pending = pair.talk.begin(Ask::Role).unwrap();
        pair.other.send(&noise).unwrap();
        let told = pending.wait().unwrap_err();
        assert!(matches!(told, Failure::Line(_)) && told.to_string().starts_with("mamane: damaged data"), "{told}");
        let later = pair.talk.ask(Ask::Role, &mut |_| {}).unwrap_err();
        assert_eq!(later.to_string(), told.to_string());
    }
}

#[test]
fn who_waits_is_told_when_the_line_ends_and_who_asks_later_too() {
    let Pair { talk, other, lines } = pair();
    let (sender, told) = channel();
    talk.then(Ask::Settle, move |answer| sender.send(answer.is_err()).unwrap()).unwrap();
    let pending = talk.begin(Ask::Role).unwrap();
    let ended = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| talk.ask(Ask::Open, &mut |_| {}).err());
        (0..3).for_each(|_| drop(other.receive().unwrap()));
        drop(lines.1);
        waiting.join().unwrap()
    });
    assert!(matches!(ended, Some(Failure::Line(_))));
    assert!(told.recv().unwrap());
    assert!(pending.wait_for(Duration::from_secs(5)).unwrap().is_err());
    let begun = Instant::now();
    assert!(talk.begin(Ask::Role).is_err() && talk.ask(Ask::Role, &mut |_| {}).is_err());
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(matches!(store::Error::from(ended.unwrap()), store::Error::Lost(_)));
}

#[test]
fn a_question_that_is_not_answered_is_not_waited_for_longer_than_is_said() {
    let pair = pair();
    assert!(pair.talk.begin(Ask::Close).unwrap().wait_for(Duration::from_millis(20)).is_none());
    // Its answer comes late, to nobody, and does no harm.
    let (number, _) = pair.asked();
    pair.answer(number, Ok(Answer::Done));
    let pending = pair.talk.begin(Ask::Role).unwrap();
    let (number, _) = pair.asked();
    pair.answer(number, Ok(Answer::Role(None)));
    assert!(matches!(pending.wait(), Ok(Answer::Role(None))));
}

#[test]
fn no_more_is_given_than_may_be_unacknowledged_and_the_first_failure_is_kept() {
    let pair = pair();
    let puts = Puts::default();
    // What is around the bytes counts, too.
    let size = (1 << 20) - 64;
    let block = || Packed { header: Vec::new(), chunks: Vec::new(), stored: vec![0; size] };
    let limit = usize::try_from(PUT_BYTES).unwrap() >> 20;
    std::thread::scope(|scope| {
        let giving = scope.spawn(|| (0..2 * limit).try_for_each(|_| puts.put(&pair.talk, block())));
        let first: Vec<u64> = (0..limit).map(|_| pair.asked().0).collect();
        std::thread::sleep(Duration::from_millis(100));
        assert!(!giving.is_finished());
        for number in first {
            pair.answer(number, Ok(Answer::Done));
        }
        for n in 0..limit {
            let (number, ask) = pair.asked();
            assert!(matches!(ask, Ask::Put(_)));
            pair.answer(number, if n + 1 < limit { Ok(Answer::Done) } else { Err(Fault::Failed("full".to_owned())) });
        }
        giving.join().unwrap().unwrap();
    });
    while puts.check().is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    for told in [puts.check(), puts.put(&pair.talk, block()), puts.settle(&pair.talk)] {
        assert_eq!(told.unwrap_err().to_string(), "mamane: full");
    }
}

/// A history of one pack, of which some cannot be read.
struct Ours(bool);

impl History for Ours {
    fn name(&self) -> String {
        "ours".to_owned()
    }

    fn pack_name(&self, pack: &Id) -> String {
        pack.to_string()
    }

    fn config(&self) -> Config {
        Config { store: StoreId(1), chunker: crate::chunk::cut::Chunker::default() }
    }

    fn lengths(&self) -> Result<std::collections::BTreeMap<Id, u64>, store::Error> {
        Ok(self.past()?.packs)
    }

    fn past(&self) -> Result<Past, store::Error> {
        Ok(Past { seals: Vec::new(), packs: [(Id::of(b"pack"), 4)].into(), lost: Vec::new(), pins: vec![7] })
    }

    fn record_bytes(&self, sequence: u64) -> Result<Vec<u8>, store::Error> {
        Err(store::Error::NoSnapshot(sequence))
    }

    fn read_pack(
        &self,
        _pack: &Id,
        take: &mut dyn FnMut(&[u8]) -> Result<(), store::Error>,
    ) -> Result<(), store::Error> {
        take(b"pa")?;
        take(b"")?;
        let dead = fs::Error::new("read", std::path::Path::new("pack"), std::io::Error::other("dead"));
        if self.0 { take(b"ck") } else { Err(store::Error::Unreadable(dead.to_string())) }
    }
}

#[test]
fn a_history_is_given_piece_by_piece_and_what_cannot_be_read_is_said() {
    for is_whole in [true, false] {
        let pair = pair();
        let (ours, mut pushed) = (Ours(is_whole), Vec::new());
        std::thread::scope(|scope| {
            let talk = &pair.talk;
            let ask = Ask::InitAfterSwap { random: 1, name: ours.name(), config: ours.config() };
            let asking = scope.spawn(move || talk.ask_giving(ask, Some(&ours), &mut |_| {}));
            let (number, _) = pair.asked();
            for (pull, pushes) in
                [(Pull::Past, 1), (Pull::Record(9), 1), (Pull::Pack(Id::of(b"pack")), 3 - usize::from(!is_whole))]
            {
                pair.say(&Message::Pull(number, pull));
                pushed.extend((0..pushes).map(|_| match Message::decode(&pair.other.receive().unwrap().unwrap()) {
                    Ok(Message::Push(of, push)) if of == number => push,
                    other => panic!("{other:?}"),
                }));
            }
            pair.answer(number, Ok(Answer::Done));
            assert!(asking.join().unwrap().is_ok());
        });
        let bytes = |bytes: &[u8]| Ok(Push::Bytes(bytes.to_vec()));
        assert!(matches!(&pushed[0], Ok(Push::Past(past)) if past.packs.len() == 1));
        assert!(matches!(&pushed[1], Err(Fault::Failed(_))));
        if is_whole {
            assert_eq!(pushed[2..], [bytes(b"pa"), bytes(b"ck"), bytes(b"")]);
        } else {
            assert_eq!(pushed[2], bytes(b"pa"));
            assert!(matches!(&pushed[3], Err(Fault::Unreadable(text)) if text.contains("dead")));
        }
    }
}
