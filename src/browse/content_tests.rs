use super::{OpenFile, Pieces};
use crate::browse::support_tests::Memory;
use crate::entry::{Content, Extent};
use crate::format::manifest::encode_extents;
use crate::manifest::Error;

/// Some data, holes and data again, and all the bytes.
fn extents(memory: &mut Memory, parts: u8) -> (Vec<Extent>, Vec<u8>) {
    let (mut extents, mut bytes) = (Vec::new(), Vec::new());
    for n in 1..=parts {
        if n % 3 == 0 {
            let length = usize::from(n) * 1000;
            extents.push(Extent::Hole { length: length as u64 });
            bytes.resize(bytes.len() + length, 0);
        } else {
            let some = vec![n; 100 + usize::from(n)];
            extents.push(memory.data(&some));
            bytes.extend(some);
        }
    }
    (extents, bytes)
}

fn indirect(memory: &mut Memory, extents: &[Extent]) -> Content {
    let lists = extents.chunks(4).map(|some| {
        let mut bytes = Vec::new();
        encode_extents(some, &mut bytes).unwrap();
        memory.put(&bytes)
    });
    Content::Indirect(lists.collect())
}

#[test]
fn every_range_is_what_the_file_holds() {
    let mut memory = Memory::default();
    let (extents, bytes) = extents(&mut memory, 11);
    for content in [Content::Direct(extents.clone()), indirect(&mut memory, &extents)] {
        let pieces = Pieces::default();
        let file = OpenFile::new(bytes.len() as u64, &content, &pieces, &mut memory).unwrap();
        for at in (0..bytes.len()).step_by(37) {
            for length in [0, 1, 99, 1500, 100_000] {
                let wanted = &bytes[at..bytes.len().min(at + length)];
                assert_eq!(file.read((at as u64, length), &pieces, &mut memory).unwrap(), wanted, "{at} {length}");
            }
        }
        for behind in [bytes.len() as u64, u64::MAX] {
            assert!(file.read((behind, 10), &pieces, &mut memory).unwrap().is_empty());
        }
        let holes: u64 = extents.iter().filter(|e| e.chunk().is_none()).map(Extent::length).sum();
        assert_eq!(file.allocated(&pieces, &mut memory).unwrap(), bytes.len() as u64 - holes);
    }
}

#[test]
fn holes_are_found() {
    let mut memory = Memory::default();
    let data = memory.data(&[1; 10]);
    let content = Content::Direct(vec![data, Extent::Hole { length: 90 }, data, data, Extent::Hole { length: 5 }]);
    let pieces = Pieces::default();
    let file = OpenFile::new(125, &content, &pieces, &mut memory).unwrap();
    let mut seek = |at, data| file.seek(at, data, &pieces, &mut memory).unwrap();
    assert_eq!([seek(0, true), seek(5, true), seek(10, true), seek(105, true)], [0, 5, 100, 105].map(Some));
    assert_eq!([seek(120, true), seek(125, true), seek(125, false)], [None; 3]);
    assert_eq!([seek(0, false), seek(50, false), seek(100, false), seek(121, false)], [10, 50, 120, 121].map(Some));
    let whole = OpenFile::new(10, &Content::Direct(vec![data]), &pieces, &mut memory).unwrap();
    assert_eq!(whole.seek(3, false, &pieces, &mut memory).unwrap(), Some(10));
}

#[test]
fn what_is_read_twice_is_fetched_once_and_what_is_gone_is_an_error() {
    let mut memory = Memory::default();
    let chunk = memory.data(&[7; 50]);
    let content = Content::Direct(vec![chunk]);
    let pieces = Pieces::default();
    let file = OpenFile::new(50, &content, &pieces, &mut memory).unwrap();
    assert_eq!(memory.reads, 0, "to open a file reads none of it");
    for _ in 0..3 {
        file.read((0, 50), &pieces, &mut memory).unwrap();
    }
    assert_eq!(memory.reads, 1);
    memory.chunks.clear();
    assert!(file.read((0, 50), &Pieces::default(), &mut memory).is_err());
    assert!(matches!(OpenFile::new(51, &content, &pieces, &mut memory), Err(Error::Length)));
}
