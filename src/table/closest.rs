//! "Did you mean": the word of a list that is nearest to what was written.

use strsim::damerau_levenshtein;

/// Longer words are not worth comparing: nothing in a table is called like that, and the cost grows with the length.
const LONGEST: usize = 100;

/// The candidate nearest to `word`, not looking at case, if it is near enough: one slip for every three letters.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let slips = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
