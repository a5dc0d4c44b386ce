//! A small generator of our own (SplitMix64), so that one seed gives the same answers with every release of every dependency.

use sha2::{Digest, Sha256};

/// A stream of numbers that its seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream of this seed and these circumstances.
    pub(crate) fn of(seed: u64, circumstances: &[u64]) -> Self {
        let mut random = Self(seed);
        for value in circumstances {
            random.0 = random.next() ^ value;
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `bound`; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        match u64::try_from(bound) {
            Ok(bound @ 1..) => usize::try_from(self.next() % bound).unwrap_or(0),
            _ => 0,
        }
    }

    /// One of the choices.
    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices.get(self.below(choices.len())).copied().unwrap_or_default()
    }

    /// Letters and digits, as vendors make their identifiers of.
    pub(crate) fn letters(&mut self, length: usize) -> String {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length)
            .map(|_| char::from(ALPHABET[self.below(ALPHABET.len())]))
            .collect()
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| char::from(b"0123456789abcdef"[self.below(16)]))
            .collect()
    }
}

/// A number that stands for these bytes.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn one_seed_gives_one_stream_and_another_seed_another() {
        let three = |seed| {
            let mut random = Random::of(seed, &[4]);
            [random.next(), random.next(), random.next()]
        };
        assert_eq!(three(1), three(1));
        assert_ne!(three(1), three(2));
        assert_eq!(
            Random::of(0, &[]).next(),
            0xe220_a839_7b1d_cdaf,
            "SplitMix64's published first value for seed 0"
        );
    }
}
