//! Bytes that no client of ours sends: no panic, no agent that stays, nothing written outside the place.

use super::{Client, draft, everything, packed, scratch, whereabouts};
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::config::{Config, StoreId};
use crate::format::pack::BlockKind;
use crate::id::Id;
use crate::path::RelPath;
use crate::remote::delta::Step;
use crate::remote::message::{Ask, Fault, Message, Patch, Push};
use crate::remote::policy::Policy;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use std::collections::BTreeMap;
use std::path::Path;

/// One of everything that a client may send.
fn all(place: &Path) -> Vec<Message> {
    let (block, chunks) = packed(BlockKind::Data, &[b"one", b"two"]);
    let (one, _) = packed(BlockKind::Data, &[b"one"]);
    let root = ChunkRef { id: Id::of(b"root"), length: 4 };
    let (part, config) = (everything(), Config { store: StoreId(1), chunker: Chunker::default() });
    let asks = vec![
        Ask::Bind(whereabouts(place)),
        Ask::Role,
        Ask::MirrorAround,
        Ask::WithoutContent(vec![RelPath::root()]),
        Ask::Records(0),
        Ask::Room(false),
        Ask::RoomForHistory(BTreeMap::from([(Id::of(b"pack"), 100)])),
        Ask::Init(5),
        Ask::InitAfterSwap { random: 6, name: "host:/x".to_owned(), config },
        Ask::Open,
        Ask::OpenToRead,
        Ask::Close,
        Ask::BeginTurn,
        Ask::TurnNumber,
        Ask::FinishPublishing(part.clone()),
        Ask::LinkStore,
        Ask::Promote(1),
        Ask::TakeBack(1),
        Ask::Open,
        Ask::Sequences,
        Ask::Record(1),
        Ask::Tidy(Time::default()),
        Ask::Look(part.clone()),
        Ask::LookDry(part.clone(), true),
        Ask::Verify(true),
        Ask::Survey { look: root, to: root, part: part.clone() },
        Ask::Commit(draft(root)),
        Ask::Publish { look: root, recorded: Some(1), to: 1, part },
        Ask::Missing(vec![Id::of(b"one")]),
        Ask::Put(block),
        Ask::Patch(Patch { chunks: chunks.clone(), old: chunks.clone(), steps: vec![Step::Old(0, 6)], sent: one }),
        Ask::Signatures(vec![chunks.clone(), vec![root]]),
        Ask::Settle,
        Ask::Read(chunks),
        Ask::Errand(b"errand".to_vec()),
    ];
    let asks = asks.into_iter().zip(1..).map(|(ask, id)| Message::Ask(id, ask));
    let pushes = [Message::Push(9, Ok(Push::Bytes(vec![1, 2, 3]))), Message::Push(9, Err(Fault::NoSnapshot(1)))];
    asks.chain(pushes).collect()
}

/// Bytes of everything in a folder.
fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let found = walkdir::WalkDir::new(folder).into_iter().map(|item| item.unwrap().into_path());
    found.map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default())).collect()
}

/// An agent that is pinned to a place hears these, with an open mirror or not, and ends.
fn hear(messages: &[Vec<u8>], opened: bool) {
    let (_scratch, place) = scratch();
    let beside = place.with_file_name("beside");
    std::fs::create_dir(&beside).unwrap();
    std::fs::write(beside.join("precious"), "data").unwrap();
    std::os::unix::fs::symlink(&beside, place.join("out")).unwrap();
    let before = contents(&beside);
    let mut client = Client::of(Policy::pinned(&place, false).unwrap());
    if opened {
        client.ask(Ask::Bind(whereabouts(&place))).unwrap();
        client.done(Ask::Init(7));
        client.open();
    }
    let port = client.port.clone();
    let drain = std::thread::spawn(move || while matches!(port.receive(), Ok(Some(_))) {});
    for message in messages {
        if client.port.send(message).is_err() {
            break;
        }
    }
    // A conversation that made no sense ends with an error, which is none of ours; a panic would come out of `join`.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let _ended = client.end();
    drain.join().unwrap();
    assert_eq!(contents(&beside), before);
    let names: Vec<_> =
        std::fs::read_dir(place.parent().unwrap()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn one_of_everything_in_order_is_heard() {
    let (_scratch, place) = scratch();
    let messages: Vec<Vec<u8>> = all(&place).iter().map(|message| message.encode().unwrap()).collect();
    hear(&messages, true);
    hear(&messages, false);
}

#[test]
fn a_message_that_is_cut_or_too_long_is_none() {
    for message in all(Path::new("/x")) {
        let bytes = message.encode().unwrap();
        (0..bytes.len()).for_each(|end| assert!(Message::decode(&bytes[..end]).is_err(), "{message:?} cut at {end}"));
        assert!(Message::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_decoded_to_a_message_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _any = Message::decode(&bytes);
    }

    #[test]
    fn a_message_with_other_bytes_in_it_is_decoded_or_refused(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let all = all(Path::new("/x"));
        let mut bytes = all[which.index(all.len())].encode().unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(message) = Message::decode(&bytes) {
            message.encode().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn an_agent_survives_whatever_it_hears(
        opened in any::<bool>(),
        order in prop::collection::vec((any::<prop::sample::Index>(), prop::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()))), 1..40),
    ) {
        let (_scratch, place) = scratch();
        let all = all(&place);
        let messages: Vec<Vec<u8>> = order.iter().map(|(which, change)| {
            let mut bytes = all[which.index(all.len())].encode().unwrap();
            if let Some((at, byte)) = change {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes
        }).collect();
        hear(&messages, opened);
    }
}
