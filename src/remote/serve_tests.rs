//! Conversations in one process, over pipes of the system.

use super::{Errands, serve};
use crate::chunk::codec::Encoder;
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::config::{Config, StoreId};
use crate::format::pack::BlockKind;
use crate::format::role::State;
use crate::format::snapshot::{Kind, Totals};
use crate::id::Id;
use crate::mirror::end::End;
use crate::mirror::near::Near;
use crate::mirror::service::Draft;
use crate::monitor::Monitor;
use crate::path::RelPath;
use crate::remote::line::{Line, Options, Port};
use crate::remote::message::{Answer, Ask, Event, Fault, Message, Opened, Packed, Part, Pull, Push, Whereabouts};
use crate::remote::policy::Policy;
use crate::store::block::Block;
use std::io::pipe;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

#[path = "serve_fuzz_tests.rs"]
mod fuzz;
#[path = "serve_patch_tests.rs"]
mod patch;
#[path = "serve_prune_tests.rs"]
mod prune;

/// A client whose agent is a thread.
struct Client {
    line: Option<Line>,
    port: Port,
    agent: Option<JoinHandle<Result<(), crate::remote::Error>>>,
    next: u64,
    events: Vec<Event>,
}

struct Echo;

impl Errands for Echo {
    fn carry_out(&self, errand: &[u8], _monitor: &dyn Monitor, tell: &dyn Fn(Vec<u8>)) -> Result<Vec<u8>, Fault> {
        tell(b"on the way".to_vec());
        Ok(errand.iter().rev().copied().collect())
    }
}

impl Client {
    fn of(policy: Policy) -> Self {
        let (to_agent, from_agent) = (pipe().unwrap(), pipe().unwrap());
        let agent = std::thread::spawn(move || {
            let line = Line::open("client".to_owned(), to_agent.0, from_agent.1, Options::default())?;
            serve(&line.talk(), &policy, Some(&Echo))
        });
        let line = Line::open("agent".to_owned(), from_agent.0, to_agent.1, Options::default()).unwrap();
        let port = line.talk();
        Self { line: Some(line), port, agent: Some(agent), next: 0, events: Vec::new() }
    }

    fn bound(policy: Policy, place: &Path) -> Self {
        let mut client = Self::of(policy);
        assert!(matches!(client.ask(Ask::Bind(whereabouts(place))), Ok(Answer::Done)));
        client
    }

    fn send(&mut self, ask: Ask) -> u64 {
        self.next += 1;
        self.port.send(&Message::Ask(self.next, ask).encode().unwrap()).unwrap();
        self.next
    }

    fn receive(&mut self) -> (u64, Result<Answer, Fault>) {
        loop {
            match Message::decode(&self.port.receive().unwrap().unwrap()).unwrap() {
                Message::Answer(id, answer) => return (id, answer),
                Message::Event(_, event) => self.events.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    fn ask(&mut self, ask: Ask) -> Result<Answer, Fault> {
        let id = self.send(ask);
        let (answered, answer) = self.receive();
        assert_eq!(answered, id);
        answer
    }

    fn done(&mut self, ask: Ask) {
        let answer = self.ask(ask);
        assert!(matches!(answer, Ok(Answer::Done)), "{answer:?}");
    }

    fn open(&mut self) -> Opened {
        match self.ask(Ask::Open) {
            Ok(Answer::Opened(opened)) => opened,
            other => panic!("{other:?}"),
        }
    }

    /// Hangs up, and waits for the agent to end.
    fn end(&mut self) -> Result<(), crate::remote::Error> {
        drop(self.line.take());
        self.agent.take().unwrap().join().unwrap()
    }
}

fn whereabouts(place: &Path) -> Whereabouts {
    Whereabouts { target: "elixir".to_owned(), path: place.as_os_str().as_bytes().to_vec(), store: None }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().canonicalize().unwrap().join("mirror");
    std::fs::create_dir(&place).unwrap();
    (scratch, place)
}

fn everything() -> Part {
    Part { tops: vec![RelPath::root()], excludes: Vec::new() }
}

fn packed(kind: BlockKind, chunks: &[&[u8]]) -> (Packed, Vec<ChunkRef>) {
    let refs: Vec<ChunkRef> =
        chunks.iter().map(|c| ChunkRef { id: Id::of(c), length: u32::try_from(c.len()).unwrap() }).collect();
    let block = Block::encode(kind, refs.clone(), &chunks.concat(), &mut Encoder::new().unwrap()).unwrap();
    let header = block.header().unwrap().encode(refs.iter().map(|c| c.length));
    let mut at = 0;
    let mut row = |c: &ChunkRef| {
        at += c.length;
        (at - c.length, *c)
    };
    (Packed { header, chunks: refs.iter().map(&mut row).collect(), stored: block.stored }, refs)
}

fn draft(root: ChunkRef) -> Draft {
    Draft {
        kind: Kind::Backup,
        time: Time::default(),
        source: b"uhane:/data".to_vec(),
        dirs: vec![RelPath::root()],
        root,
        totals: Totals::default(),
        users: Vec::new(),
        groups: Vec::new(),
        note: String::new(),
    }
}

#[test]
fn a_night_over_a_pipe() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::pinned(&place, true).unwrap(), &place);
    assert!(matches!(client.ask(Ask::Role), Ok(Answer::Role(None))));
    client.done(Ask::Init(7));
    let opened = client.open();
    assert_eq!((opened.role.state, opened.sequences.len()), (State::Empty, 0));
    let Ok(Answer::Look(look)) = client.ask(Ask::Look(everything())) else { panic!() };
    // The manifest of a tree with nothing but its root: the look has put it into the store.
    let root = look.taken.root;
    let Ok(Answer::Record(record)) = client.ask(Ask::Commit(draft(root))) else { panic!() };
    assert_eq!((record.sequence, record.target.as_slice()), (1, b"elixir".as_slice()));
    let part = everything();
    let answer = client.ask(Ask::Survey { look: root, to: root, part: part.clone() });
    assert!(matches!(answer, Ok(Answer::Survey(survey)) if survey.actions == 0));
    let publish = |look, recorded| Ask::Publish { look, recorded, to: 1, part: part.clone() };
    let other = ChunkRef { id: Id::of(b"other"), length: 5 };
    assert!(matches!(client.ask(publish(other, None)), Err(Fault::Refused(_))));
    assert!(matches!(client.ask(publish(root, Some(9))), Err(Fault::NoSnapshot(9))));
    assert!(matches!(client.ask(publish(root, Some(1))), Ok(Answer::Applied(_))));
    client.done(Ask::Close);
    let opened = client.open();
    assert_eq!(opened.role.state, State::Clean(1));
    assert_eq!(opened.records, [*record]);
    client.end().unwrap();
}

#[test]
fn blocks_go_in_and_come_out_and_what_lies_is_not_stored() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    client.done(Ask::Init(7));
    client.open();
    let big = vec![7_u8; 100_000];
    let (good, chunks) = packed(BlockKind::Data, &[b"one", &big, b"three"]);
    let ids: Vec<Id> = chunks.iter().map(|c| c.id).collect();
    // Many questions under way: what was put before is not lacking.
    let asked =
        [client.send(Ask::Missing(ids.clone())), client.send(Ask::Put(good.clone())), client.send(Ask::Missing(ids))];
    let answers: Vec<(u64, Result<Answer, Fault>)> = asked.iter().map(|_| client.receive()).collect();
    assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(), asked);
    assert!(matches!(&answers[0].1, Ok(Answer::Missing(all)) if *all == [true; 3]));
    assert!(matches!(&answers[2].1, Ok(Answer::Missing(all)) if *all == [false; 3]));
    let lies: [&dyn Fn(&mut Packed); 6] = [
        &|p| p.chunks[0].1.id = Id::of(b"two"),
        &|p| p.chunks[1].0 += 1,
        &|p| _ = p.chunks.pop(),
        &|p| p.stored.push(0),
        &|p| p.header[8] ^= 1,
        &|p| p.stored[10] ^= 0xff,
    ];
    for (n, lie) in lies.iter().enumerate() {
        let (mut bad, _) = packed(BlockKind::Data, &[format!("new {n}").as_bytes(), &big]);
        lie(&mut bad);
        let answer = client.ask(Ask::Put(bad));
        assert!(matches!(answer, Err(Fault::Failed(_))), "{n}: {answer:?}");
        let lacking = client.ask(Ask::Missing(vec![Id::of(format!("new {n}").as_bytes())]));
        assert!(matches!(lacking, Ok(Answer::Missing(all)) if all == [true]), "{n}");
    }
    client.done(Ask::Settle);
    let (packs, pack) = pack_of(&place);
    client.done(Ask::Put(good));
    client.done(Ask::Settle);
    assert_eq!(pack_of(&place).0, packs, "a block that is there already is dropped");
    // Most of the block: as it lies. A little: made anew.
    let Ok(Answer::Chunks(all)) = client.ask(Ask::Read(chunks.clone())) else { panic!() };
    assert_eq!((all.len(), all[0].chunks.len()), (1, 3));
    assert!(pack.windows(all[0].stored.len()).any(|part| part == all[0].stored));
    let Ok(Answer::Chunks(few)) = client.ask(Ask::Read(vec![chunks[2], chunks[0]])) else { panic!() };
    assert_eq!(
        (few[0].chunks.as_slice(), few[0].stored.as_slice()),
        (&[(0, chunks[2]), (5, chunks[0])][..], &b"threeone"[..])
    );
    let nowhere = ChunkRef { id: Id::of(b"nowhere"), length: 7 };
    assert!(matches!(client.ask(Ask::Read(vec![nowhere, chunks[0]])), Err(Fault::Damaged(_))));
    let Ok(Answer::Chunks(rest)) = client.ask(Ask::Read(vec![chunks[0], nowhere])) else { panic!() };
    assert_eq!(rest[0].chunks, [(0, chunks[0])]);
    client.end().unwrap();
}

/// The number of packs, and the bytes of one.
fn pack_of(place: &Path) -> (usize, Vec<u8>) {
    let packs = walkdir::WalkDir::new(place.join(".backup/store/packs")).into_iter().map(Result::unwrap);
    let packs: Vec<_> = packs.filter(|item| item.file_type().is_file()).collect();
    (packs.len(), std::fs::read(packs[0].path()).unwrap())
}

#[test]
fn what_was_put_is_durable_and_the_lock_is_given_back_when_the_client_goes() {
    let (_scratch, place) = scratch();
    let mut first = Client::bound(Policy::open(), &place);
    first.done(Ask::Init(7));
    first.open();
    let mut second = Client::bound(Policy::open(), &place);
    assert!(matches!(second.ask(Ask::Open), Err(Fault::Locked(_))));
    let (block, chunks) = packed(BlockKind::Data, &[b"put and never settled"]);
    first.send(Ask::Put(block));
    first.end().unwrap();
    second.open();
    let lacking = second.ask(Ask::Missing(vec![chunks[0].id]));
    assert!(matches!(lacking, Ok(Answer::Missing(all)) if all == [false]));
    second.end().unwrap();
}

#[test]
fn an_agent_that_only_adds_makes_nothing_live_data() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::pinned(&place, true).unwrap(), &place);
    client.done(Ask::Init(7));
    assert!(matches!(client.ask(Ask::BeginTurn), Ok(Answer::State(State::Empty))));
    for ask in [Ask::Promote(0), Ask::TakeBack(0)] {
        assert!(matches!(client.ask(ask), Err(Fault::Refused(_))));
    }
    client.done(Ask::Close);
    assert_eq!(client.open().role.state, State::Empty);
    client.end().unwrap();
}

#[test]
fn a_store_elsewhere_below_the_root_is_linked_by_its_own_name() {
    let (_scratch, place) = scratch();
    let root = place.parent().unwrap();
    let store = root.join("disk/store");
    let mut client = Client::of(Policy::pinned(root, false).unwrap());
    let elsewhere = Some(store.as_os_str().as_bytes().to_vec());
    client.ask(Ask::Bind(Whereabouts { store: elsewhere, ..whereabouts(&place) })).unwrap();
    assert!(matches!(client.ask(Ask::Room(true)), Ok(Answer::Room(room)) if room.tree.device == room.store.device));
    client.done(Ask::Init(7));
    assert!(store.join("config").is_file());
    assert!(matches!(client.ask(Ask::BeginTurn), Ok(Answer::State(State::Empty))));
    let link = place.join(".backup/store");
    let Ok(Answer::Why(Some(told))) = client.ask(Ask::LinkStore) else { panic!() };
    assert_eq!((told, std::fs::read_link(&link).unwrap()), (link.display().to_string(), store));
    let Ok(Answer::Around(Some(around))) = client.ask(Ask::MirrorAround) else { panic!() };
    assert_eq!((around.root, around.is_place), (place.display().to_string(), true));
    client.end().unwrap();
}

#[test]
fn the_history_of_a_promoted_place_is_read_and_what_is_put_to_it_stays_in_memory() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    client.done(Ask::Init(7));
    assert!(matches!(client.ask(Ask::BeginTurn), Ok(Answer::State(State::Empty))));
    assert!(matches!(client.ask(Ask::Promote(0)), Ok(Answer::State(State::Promoted(0)))));
    assert!(matches!(client.ask(Ask::OpenToRead), Ok(Answer::Opened(_))));
    let (node, chunks) = packed(BlockKind::Manifest, &[b"a node"]);
    client.done(Ask::Put(node));
    client.done(Ask::Settle);
    let Ok(Answer::Chunks(read)) = client.ask(Ask::Read(chunks.clone())) else { panic!() };
    assert_eq!(read[0].chunks, [(0, chunks[0])]);
    assert!(matches!(client.ask(Ask::Commit(draft(chunks[0]))), Err(Fault::Refused(_))));
    assert!(matches!(client.ask(Ask::Look(everything())), Err(Fault::Refused(_))));
    client.end().unwrap();
    assert_eq!(std::fs::read_dir(place.join(".backup/store/packs")).unwrap().count(), 0);
}

#[test]
fn messages_name_the_place_as_the_client_knows_it() {
    let (_scratch, place) = scratch();
    let root = place.parent().unwrap();
    let mut client = Client::bound(Policy::pinned(root, false).unwrap(), &place);
    let Err(Fault::Refused(text)) = client.ask(Ask::Open) else { panic!() };
    assert!(text.starts_with(&format!("{} is not a mirror yet", place.display())), "{text}");
    client.end().unwrap();
    let mut client = Client::of(Policy::pinned(&place, false).unwrap());
    assert!(matches!(client.ask(Ask::Bind(whereabouts(root))), Err(Fault::Refused(_))));
    let store = Some(root.join("store").into_os_string().into_encoded_bytes());
    assert!(matches!(client.ask(Ask::Bind(Whereabouts { store, ..whereabouts(&place) })), Err(Fault::Refused(_))));
    assert!(matches!(client.ask(Ask::Open), Err(Fault::Refused(_))), "nothing is bound");
    client.end().unwrap();
}

#[test]
fn what_does_not_fit_into_an_answer_is_left_out_of_it() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    client.done(Ask::Init(7));
    client.open();
    let mut random = fastrand::Rng::with_seed(1);
    let mut wanted = Vec::new();
    for _ in 0..24 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 << 20).collect();
        let (block, chunks) = packed(BlockKind::Data, &[&bytes]);
        client.send(Ask::Put(block));
        wanted.extend(chunks);
    }
    (0..24).for_each(|_| assert!(matches!(client.receive().1, Ok(Answer::Done))));
    client.done(Ask::Settle);
    let mut rounds = 0;
    while !wanted.is_empty() {
        let Ok(Answer::Chunks(some)) = client.ask(Ask::Read(wanted.clone())) else { panic!() };
        let got: Vec<ChunkRef> = some.iter().flat_map(|packed| packed.chunks.iter().map(|(_, chunk)| *chunk)).collect();
        assert_eq!(got.first(), wanted.first());
        wanted.retain(|chunk| !got.contains(chunk));
        rounds += 1;
    }
    assert_eq!(rounds, 3, "8 blocks of 1 MiB and a little fit into an answer");
    for bad in [Vec::new(), vec![ChunkRef { id: Id::of(b"x"), length: 1 }; 1025]] {
        assert!(matches!(client.ask(Ask::Read(bad)), Err(Fault::Refused(_))));
    }
    client.end().unwrap();
}

#[test]
fn a_history_is_pulled_from_the_client() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    client.done(Ask::Init(7));
    client.open();
    let Ok(Answer::Look(look)) = client.ask(Ask::Look(everything())) else { panic!() };
    assert!(matches!(client.ask(Ask::Commit(draft(look.taken.root))), Ok(Answer::Record(_))));
    assert!(matches!(client.ask(Ask::BeginTurn), Ok(Answer::State(State::Empty))));
    assert!(matches!(client.ask(Ask::Promote(1)), Ok(Answer::State(State::Promoted(1)))));
    client.done(Ask::Close);
    let near = Near::new("elixir", &place, None);
    let history = near.history().unwrap();
    let (_other_scratch, other) = scratch();
    let mut taker = Client::bound(Policy::pinned(&other, false).unwrap(), &other);
    let init = |config| Ask::InitAfterSwap { random: 8, name: "uhane:/store".to_owned(), config };
    let bad = Config { chunker: Chunker { min: 0, average: 1, max: 2 }, ..history.config() };
    assert!(taker.ask(init(bad)).is_err());
    let asked = taker.send(init(history.config()));
    let imported = loop {
        let message = Message::decode(&taker.port.receive().unwrap().unwrap()).unwrap();
        let push = |push| taker.port.send(&Message::Push(asked, Ok(push)).encode().unwrap()).unwrap();
        match message {
            Message::Pull(_, Pull::Past) => push(Push::Past(history.past().unwrap())),
            Message::Pull(_, Pull::Record(n)) => push(Push::Bytes(history.record_bytes(n).unwrap())),
            Message::Pull(_, Pull::Pack(id)) => {
                let mut take = |bytes: &[u8]| {
                    push(Push::Bytes(bytes.to_vec()));
                    Ok(())
                };
                history.read_pack(&id, &mut take).unwrap();
                push(Push::Bytes(Vec::new()));
            }
            Message::Answer(_, Ok(Answer::Imported(imported))) => break imported,
            Message::Event(..) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((imported.snapshots, imported.damaged), (1, 0));
    assert_eq!(taker.open().sequences, [1]);
    taker.end().unwrap();
    client.end().unwrap();
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_history_keeps_nobody_waiting() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    let config = Config { store: StoreId(7), chunker: Chunker::default() };
    client.send(Ask::InitAfterSwap { random: 8, name: String::new(), config });
    let pull = Message::decode(&client.port.receive().unwrap().unwrap()).unwrap();
    assert!(matches!(pull, Message::Pull(2, Pull::Past)));
    client.end().unwrap();
}

#[test]
fn an_errand_is_carried_out_by_the_room_above() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    assert!(matches!(client.ask(Ask::Errand(b"abc".to_vec())), Ok(Answer::Carried(back)) if back == b"cba"));
    assert_eq!(client.events, [Event::Other(b"on the way".to_vec())]);
    client.end().unwrap();
}
