//! Blocks that are made of what the store has: the right ones are stored, and whatever lies is not.

use super::{Client, packed, scratch};
use crate::entry::ChunkRef;
use crate::format::pack::BlockKind;
use crate::id::Id;
use crate::remote::delta::{Step, diff};
use crate::remote::message::{Answer, Ask, Fault, Patch};
use crate::remote::policy::Policy;

#[test]
fn a_block_is_made_of_what_is_there_and_what_lies_is_not_stored() {
    let (_scratch, place) = scratch();
    let mut client = Client::bound(Policy::open(), &place);
    client.done(Ask::Init(7));
    client.open();
    let old: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
    let (block, chunks) = packed(BlockKind::Data, &[&old]);
    client.done(Ask::Put(block));
    client.done(Ask::Settle);
    let nowhere = ChunkRef { id: Id::of(b"nowhere"), length: 7 };
    let asked = Ask::Signatures(vec![vec![nowhere], chunks.clone()]);
    let Ok(Answer::Signatures(sums)) = client.ask(asked) else { panic!() };
    let [None, Some(sums)] = sums.as_slice() else { panic!("{sums:?}") };
    let new = [&old[..70_000], b"in between", &old[70_000..]].concat();
    let (steps, sent) = diff(sums, &new);
    assert!(sent.len() < 4096, "{}", sent.len());
    let name = ChunkRef { id: Id::of(&new), length: u32::try_from(new.len()).unwrap() };
    let sent = packed(BlockKind::Data, &[&sent]).0;
    let good = Patch { chunks: vec![name], old: chunks, steps, sent };
    let lies: [&dyn Fn(&mut Patch); 7] = [
        &|p| p.chunks[0].id = Id::of(b"another"),
        &|p| p.chunks[0].length -= 1,
        &|p| p.chunks[0].length = u32::MAX,
        &|p| p.chunks.push(ChunkRef { length: 0, ..name }),
        &|p| p.steps.push(Step::Old(0, 1)),
        &|p| p.steps[0] = Step::Old(u32::MAX, u32::MAX),
        &|p| p.sent.stored[10] ^= 0xff,
    ];
    let is_lacking = |client: &mut Client| matches!(client.ask(Ask::Missing(vec![name.id])), Ok(Answer::Missing(all)) if all == [true]);
    for (n, lie) in lies.iter().enumerate() {
        let mut bad = good.clone();
        lie(&mut bad);
        let answer = client.ask(Ask::Patch(bad));
        assert!(matches!(answer, Err(Fault::Failed(_))), "{n}: {answer:?}");
        assert!(is_lacking(&mut client), "{n}");
    }
    let mut bad = good.clone();
    bad.old = vec![nowhere];
    assert!(matches!(client.ask(Ask::Patch(bad)), Err(Fault::Damaged(_))));
    bad = good.clone();
    bad.old = vec![good.old[0]; 1000];
    assert!(matches!(client.ask(Ask::Patch(bad)), Err(Fault::Failed(_))), "no more old bytes than there may be");
    assert!(is_lacking(&mut client));
    client.done(Ask::Patch(good));
    client.done(Ask::Settle);
    let Ok(Answer::Chunks(all)) = client.ask(Ask::Read(vec![name])) else { panic!() };
    assert_eq!(all[0].chunks, [(0, name)]);
    let many = Ask::Signatures(vec![vec![name; 1000]]);
    assert!(matches!(client.ask(many), Err(Fault::Refused(_))));
    client.end().unwrap();
}
