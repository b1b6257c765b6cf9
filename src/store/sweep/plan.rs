//! Which packs go, and which are written again without what nobody needs (floor 2). Pure.

use super::live::Use;
use crate::limits::{SWEEP_SLACK, SWEEP_WASTE};

/// What is to be done to the packs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Nobody needs anything of them.
    pub unused: Vec<Use>,
    /// To be written again, the emptiest first.
    pub rewrite: Vec<Use>,
    /// Bytes that stay for nothing in the packs that are left as they are.
    pub waste: u64,
}

/// Plans: packs that are mostly unused are written again until of all that remains only one part in so many is for nothing, and no more than
/// `most` bytes are copied.
pub fn plan(uses: Vec<Use>, most: u64) -> Plan {
    let (unused, mut used): (Vec<Use>, Vec<Use>) = uses.into_iter().partition(|pack| pack.needed == 0);
    let needed: u64 = used.iter().map(|pack| pack.needed).sum();
    let mut plan = Plan { unused, rewrite: Vec::new(), waste: used.iter().map(waste).sum() };
    // The least to copy for what it gives back.
    used.sort_by_key(|pack| (u128::from(pack.needed) << 32) / u128::from(pack.length.max(1)));
    let mut left = most;
    for pack in used {
        if plan.waste <= needed / SWEEP_SLACK || waste(&pack) < pack.length / SWEEP_WASTE {
            break;
        }
        if let Some(rest) = left.checked_sub(pack.needed) {
            left = rest;
            plan.waste -= waste(&pack);
            plan.rewrite.push(pack);
        }
    }
    plan
}

fn waste(pack: &Use) -> u64 {
    pack.length.saturating_sub(pack.needed)
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::id::Id;
    use crate::store::sweep::live::Use;

    fn pack(length: u64, needed: u64) -> Use {
        Use { name: Id::of(&[length.to_le_bytes(), needed.to_le_bytes()].concat()), length, needed }
    }

    #[test]
    fn the_emptiest_are_written_again_until_little_is_for_nothing() {
        let all = [pack(1000, 0), pack(1001, 990), pack(1002, 400), pack(1003, 100), pack(1004, 960), pack(10, 0)];
        let planned = plan(all.to_vec(), u64::MAX);
        assert_eq!(planned.unused, [all[0], all[5]]);
        assert_eq!((planned.rewrite, planned.waste), (vec![all[3], all[2]], 11 + 44));
        // What is bounded leaves more behind; one that does not fit is passed over.
        let planned = plan(all.to_vec(), 399);
        assert_eq!((planned.rewrite, planned.waste), (vec![all[3]], 602 + 11 + 44));
        assert_eq!(plan(all.to_vec(), 0).rewrite, []);
        // A little waste in many is left, and so is all of it where it is little.
        assert_eq!(plan(vec![pack(1000, 960); 10], u64::MAX).rewrite, []);
        assert_eq!(plan(vec![pack(1000, 900); 10], u64::MAX).rewrite.len(), 6);
        assert_eq!(plan(Vec::new(), u64::MAX), super::Plan::default());
    }
}
