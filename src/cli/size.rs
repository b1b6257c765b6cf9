//! Sizes and counts for people (floor 7). Decimal units, as disks are sold.

/// `12.3 MB`.
pub(super) fn bytes(n: u64) -> String {
    indicatif::DecimalBytes(n).to_string()
}

/// `1 file`, `2 files`.
pub(super) fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", indicatif::HumanCount(n), if n == 1 { "" } else { "s" })
}

/// `, 3 moved`; nothing where there are none, as on most nights.
pub(super) fn moved(n: u64) -> String {
    if n == 0 { String::new() } else { format!(", {n} moved") }
}
