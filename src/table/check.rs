//! Checks on a target as a whole and on two targets together: is everything there, and does nothing lie in anything
//! else that would be written over it.
//!
//! What must stay true of a table that passes: a mirror's DIRs and `.backup`, and every store, belong to one target
//! alone, and none of them is part of what that target backs up.

use std::path::Path;

use crate::place::Place;
use crate::table::dir::OWN;
use crate::table::error::{Fault, Mistake, Seen, Tree};
use crate::table::keyword::Keyword;
use crate::table::parse::Draft;
use crate::table::spot::Spot;
use crate::table::{Context, Target};

/// Makes a target of a draft, or says what is wrong with it, alone or together with those `done` before it.
pub(crate) fn complete(draft: Draft, done: &[Target], context: &Context<'_>) -> Result<Target, Fault> {
    let target = whole(draft, context)?;
    let alone = [same_place, source_in_mirror, mirror_in_source, store_host, store_in_trees];
    let pairs = [mirrors, stores, store_in_mirror, mirror_in_store];
    let first = alone
        .iter()
        .filter_map(|check| check(&target))
        .chain(done.iter().flat_map(|other| {
            let target = &target;
            pairs.iter().filter_map(move |check| check(target, other))
        }))
        .min_by_key(|fault| fault.line);
    match first {
        Some(fault) => Err(fault),
        None => Ok(target),
    }
}

/// Every part is there, and every place is resolved.
fn whole(draft: Draft, context: &Context<'_>) -> Result<Target, Fault> {
    let line = draft.lines.number(Keyword::Target).unwrap_or_default();
    let missing = |keyword| Mistake::Missing(draft.name.clone(), keyword).at(line);
    let source = draft.source.ok_or_else(|| missing(Keyword::Source))?;
    let mirror = draft.mirror.ok_or_else(|| missing(Keyword::Mirror))?;
    if draft.dirs.is_empty() {
        return Err(missing(Keyword::Dir));
    }
    let spot = |place: &Place| Spot::of(place, context.folder, context.this_host);
    let store_spot = draft.store.as_ref().map(|store| {
        let mut store = store.clone();
        // A path alone is on the mirror's host, wherever we are.
        store.host = store.host.or_else(|| mirror.host.clone());
        spot(&store)
    });
    Ok(Target {
        source_spot: spot(&source),
        mirror_spot: spot(&mirror),
        store_spot,
        name: draft.name,
        source,
        mirror,
        dirs: draft.dirs,
        excludes: draft.excludes,
        store: draft.store,
        keep: draft.keep,
        hold: draft.hold,
        rsh: draft.rsh,
        lines: draft.lines,
    })
}

fn same_place(target: &Target) -> Option<Fault> {
    let mirror = seen(target, Keyword::Mirror)?;
    target.source_spot.same(&target.mirror_spot).then(|| Mistake::SamePlace(mirror.text).at(mirror.line))
}

fn source_in_mirror(target: &Target) -> Option<Fault> {
    let source = seen(target, Keyword::Source)?;
    let mirror = seen(target, Keyword::Mirror)?;
    let inside = target.source_spot.inside(&target.mirror_spot);
    // The same place has a message of its own.
    (inside && !target.source_spot.same(&target.mirror_spot))
        .then(|| Mistake::SourceInMirror(source.text, mirror).at(source.line))
}

/// MIRROR may lie inside SOURCE, but nothing of it in a DIR, and no DIR in what is written there.
fn mirror_in_source(target: &Target) -> Option<Fault> {
    let (source, mirror) = (&target.source_spot, &target.mirror_spot);
    if source.inside(mirror) || !mirror.inside(source) {
        return None;
    }
    let mirror = seen(target, Keyword::Mirror)?;
    dirs(target, &target.source_spot).find_map(|(dir, folder)| {
        if target.mirror_spot.inside(&folder) {
            let mistake = Mistake::MirrorInDir(mirror.text.clone(), dir);
            return Some(mistake.at(mirror.line));
        }
        ours(target)
            .any(|ours| ours.overlaps(&folder))
            .then(|| Mistake::MirrorOverDir(mirror.text.clone(), dir).at(mirror.line))
    })
}

fn store_host(target: &Target) -> Option<Fault> {
    let store = seen(target, Keyword::Store)?;
    let mirror = seen(target, Keyword::Mirror)?;
    let spot = target.store_spot.as_ref()?;
    (!spot.same_machine(&target.mirror_spot)).then(|| Mistake::StoreHost(store.text, mirror).at(store.line))
}

fn store_in_trees(target: &Target) -> Option<Fault> {
    let store = seen(target, Keyword::Store)?;
    let spot = target.store_spot.as_ref()?;
    // `.backup` is never part of a snapshot, so below it a store is safe even with DIR `.`.
    if spot.inside(&own(target)) {
        return None;
    }
    let source = dirs(target, &target.source_spot).map(|found| (found, Tree::Source));
    let mirror = dirs(target, &target.mirror_spot).map(|found| (found, Tree::Mirror));
    source
        .chain(mirror)
        .find(|((_, folder), _)| spot.overlaps(folder))
        .map(|((dir, _), tree)| Mistake::StoreDir(store.text, dir, tree).at(store.line))
}

fn mirrors(target: &Target, other: &Target) -> Option<Fault> {
    if !target.mirror_spot.overlaps(&other.mirror_spot) {
        return None;
    }
    let mirror = seen(target, Keyword::Mirror)?;
    let theirs = seen(other, Keyword::Mirror)?;
    Some(Mistake::MirrorMirror(mirror.text, other.name.clone(), theirs).at(mirror.line))
}

/// A store is swept by what its own target still needs: two targets in one would lose each other's content.
fn stores(target: &Target, other: &Target) -> Option<Fault> {
    let (spot, their_spot) = (target.store_spot.as_ref()?, other.store_spot.as_ref()?);
    if !spot.overlaps(their_spot) {
        return None;
    }
    let store = seen(target, Keyword::Store)?;
    let theirs = seen(other, Keyword::Store)?;
    Some(Mistake::StoreStore(store.text, other.name.clone(), theirs).at(store.line))
}

fn store_in_mirror(target: &Target, other: &Target) -> Option<Fault> {
    let spot = target.store_spot.as_ref()?;
    if !writes_to(other, spot) {
        return None;
    }
    let store = seen(target, Keyword::Store)?;
    let theirs = seen(other, Keyword::Mirror)?;
    Some(Mistake::StoreMirror(store.text, other.name.clone(), theirs).at(store.line))
}

fn mirror_in_store(target: &Target, other: &Target) -> Option<Fault> {
    let spot = other.store_spot.as_ref()?;
    if !writes_to(target, spot) {
        return None;
    }
    let mirror = seen(target, Keyword::Mirror)?;
    let theirs = seen(other, Keyword::Store)?;
    Some(Mistake::MirrorStore(mirror.text, other.name.clone(), theirs).at(mirror.line))
}

/// Whether a target writes to something in, or around, this spot.
fn writes_to(target: &Target, spot: &Spot) -> bool {
    // The first test only saves time: nearly all pairs of targets end there.
    target.mirror_spot.overlaps(spot) && ours(target).any(|ours| ours.overlaps(spot))
}

/// The folders of a mirror that its target writes to; what lies beside them is left alone.
fn ours(target: &Target) -> impl Iterator<Item = Spot> {
    let dirs = target.dirs.iter();
    dirs.map(|dir| target.mirror_spot.below(dir.as_path())).chain([own(target)])
}

fn own(target: &Target) -> Spot {
    target.mirror_spot.below(Path::new(OWN))
}

/// The DIRs below a tree, each with its line.
fn dirs<'a>(target: &'a Target, tree: &'a Spot) -> impl Iterator<Item = (Seen, Spot)> + 'a {
    let lines = target.lines.of(Keyword::Dir).map(Seen::from);
    lines.zip(target.dirs.iter().map(|dir| tree.below(dir.as_path())))
}

fn seen(target: &Target, keyword: Keyword) -> Option<Seen> {
    target.lines.of(keyword).next().map(Seen::from)
}
