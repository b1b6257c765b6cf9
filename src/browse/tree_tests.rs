use super::{Nodes, Tree};
use crate::browse::support_tests::{Memory, directory, entry, path};
use crate::entry::{Entry, Node};
use crate::path::RelPath;

fn leaf(at: &str) -> Entry {
    entry(at, Node::Symlink { target: at.as_bytes().repeat(3) })
}

/// Folders of folders and files, several levels of nodes.
fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    for a in 0..40 {
        all.push(directory(&format!("a{a:02}")));
        for b in 0..(a * 7) % 50 {
            all.push(directory(&format!("a{a:02}/b{b:02}")));
            all.extend((0..(a + b) % 9).map(|c| leaf(&format!("a{a:02}/b{b:02}/c{c}"))));
        }
        all.push(leaf(&format!("a{a:02}.x")));
    }
    all.sort_by(|one, next| one.path.cmp(&next.path));
    all
}

#[test]
fn entries_are_found_by_path_and_by_rank() {
    let (entries, mut memory) = (entries(), Memory::default());
    let (root, nodes) = (memory.manifest(&entries), Nodes::default());
    let tree = Tree { root, nodes: &nodes };
    for (rank, wanted) in entries.iter().enumerate() {
        let rank = rank as u64;
        assert_eq!(*tree.entry(&mut memory, rank).unwrap().unwrap(), *wanted);
        let (found, entry) = tree.find(&mut memory, &wanted.path).unwrap().unwrap();
        assert_eq!((found, &*entry), (rank, wanted));
        let absent = wanted.path.join(b"no such name").unwrap();
        assert!(tree.find(&mut memory, &absent).unwrap().is_none());
    }
    assert!(tree.entry(&mut memory, entries.len() as u64).unwrap().is_none());
    assert!(tree.entry(&mut memory, u64::MAX).unwrap().is_none());
    assert!(tree.find(&mut memory, &RelPath::root()).unwrap().is_none());
}

#[test]
fn a_directory_lists_its_own_names_and_no_others() {
    let (entries, mut memory) = (entries(), Memory::default());
    let (root, nodes) = (memory.manifest(&entries), Nodes::default());
    let tree = Tree { root, nodes: &nodes };
    let folders = entries.iter().filter(|entry| entry.is_directory()).map(|entry| entry.path.clone());
    for folder in folders.chain([RelPath::root()]) {
        let wanted: Vec<_> = entries.iter().map(|e| &e.path).filter(|p| p.parent().as_ref() == Some(&folder)).collect();
        let (mut found, mut rank) = (Vec::new(), tree.first_in(&mut memory, &folder).unwrap());
        while let Some(listed) = tree.listed(&mut memory, &folder, rank).unwrap() {
            found.push(listed.entry.path.clone());
            rank = listed.next;
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{folder}");
    }
}

#[test]
fn a_look_up_reads_one_node_a_level() {
    let entries: Vec<Entry> = (0..20_000).map(|n| leaf(&format!("file-{n:06}"))).collect();
    let mut memory = Memory::default();
    let (root, nodes) = (memory.manifest(&entries), Nodes::default());
    assert!(memory.chunks.len() > 20, "{} nodes", memory.chunks.len());
    let tree = Tree { root, nodes: &nodes };
    assert_eq!(tree.find(&mut memory, &path("file-012345")).unwrap().unwrap().0, 12_345);
    assert!(memory.reads <= 4, "{} nodes were read", memory.reads);
}
