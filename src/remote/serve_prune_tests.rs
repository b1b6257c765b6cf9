//! What an agent lets a client drop, and what one that only adds does not.

use super::{Client, draft, packed, scratch};
use crate::format::pack::BlockKind;
use crate::format::snapshot::Kind;
use crate::mirror::prune::{Most, Order};
use crate::mirror::service::Draft;
use crate::remote::message::{Answer, Ask, Fault};
use crate::remote::policy::Policy;

fn order(drop: u64, dry: bool) -> Ask {
    Ask::Prune(Order { drop: vec![drop], most: Most::All, dry })
}

/// Two snapshots of an empty tree, the first a rescue.
fn two(client: &mut Client) {
    client.done(Ask::Init(7));
    client.open();
    let (block, chunks) = packed(BlockKind::Manifest, &[&[0]]);
    client.done(Ask::Put(block));
    for kind in [Kind::Rescue, Kind::Backup] {
        let committed = client.ask(Ask::Commit(Draft { kind, ..draft(chunks[0]) }));
        assert!(matches!(committed, Ok(Answer::Record(_))), "{committed:?}");
    }
}

fn refused(answer: Result<Answer, Fault>, words: &str) {
    match answer {
        Err(Fault::Refused(why)) => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_that_only_adds_drops_nothing_and_takes_no_pin_away() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::pinned(&place, true).unwrap(), &place);
    two(&mut client);
    refused(client.ask(order(1, false)), "prune on its own host (nothing was written)");
    assert!(matches!(client.ask(order(1, true)), Ok(Answer::Pruned(pruned)) if pruned.snapshots == 1));
    assert!(matches!(client.ask(Ask::Pin(1, true)), Ok(Answer::Changed(true))));
    assert!(matches!(client.ask(Ask::Pins), Ok(Answer::Sequences(pins)) if pins == [1]));
    refused(client.ask(Ask::Pin(1, false)), "unpin on its own host");
    client.end().unwrap();
}

#[test]
fn an_agent_drops_what_may_go_and_nothing_else() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    refused(client.ask(order(1, false)), "out of turn");
    two(&mut client);
    refused(client.ask(order(2, false)), "it cannot be dropped");
    assert!(matches!(client.ask(order(1, false)), Ok(Answer::Pruned(pruned)) if pruned.snapshots == 1));
    assert!(matches!(client.ask(Ask::Sequences), Ok(Answer::Sequences(all)) if all == [2]));
    client.end().unwrap();
}
