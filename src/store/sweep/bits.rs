//! One bit for each of many things that are numbered (floor 2).

/// Numbers from 0 to a bound, each in it or not.
#[derive(Clone, Debug, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    /// None of so many.
    pub fn new(length: u64) -> Self {
        Self(vec![0; usize::try_from(length.div_ceil(64)).unwrap_or(0)])
    }

    fn place(number: u64) -> (usize, u64) {
        (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
    }

    /// Puts a number in; whether it was not. One beyond the bound never is.
    pub fn set(&mut self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        let Some(word) = self.0.get_mut(word) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Whether a number is in.
    pub fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Makes it possible to ask how many are below one.
    pub fn ranked(self) -> Ranked {
        let (mut sum, mut before) = (0_u64, Vec::with_capacity(self.0.len()));
        for word in &self.0 {
            before.push(sum);
            sum += u64::from(word.count_ones());
        }
        Ranked { bits: self, before, count: sum }
    }
}

/// Bits that are counted.
#[derive(Clone, Debug)]
pub struct Ranked {
    bits: Bits,
    /// For each word, how many are in those before it.
    before: Vec<u64>,
    count: u64,
}

impl Ranked {
    /// How many are in.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many are in below this number, if it is in itself: its new number, when the others are left out.
    pub fn rank(&self, number: u64) -> Option<u64> {
        if !self.bits.has(number) {
            return None;
        }
        let (word, bit) = Bits::place(number);
        let below = self.bits.0.get(word)? & (bit - 1);
        Some(self.before.get(word)? + u64::from(below.count_ones()))
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn what_is_put_in_is_in_and_is_counted() {
        let mut bits = Bits::new(1000);
        let numbers: Vec<u64> = (0..1000).filter(|n| n % 7 == 0 || n % 64 == 63).collect();
        assert!(numbers.iter().all(|&n| bits.set(n)) && !bits.set(63) && !bits.set(5000));
        assert!((0..2000).all(|n| bits.has(n) == numbers.contains(&n)));
        let ranked = bits.ranked();
        assert_eq!(ranked.count(), numbers.len() as u64);
        for n in 0..1100 {
            let rank = numbers.iter().position(|&m| m == n).map(|rank| rank as u64);
            assert_eq!(ranked.rank(n), rank);
        }
        assert_eq!(Bits::new(0).ranked().count(), 0);
    }
}
