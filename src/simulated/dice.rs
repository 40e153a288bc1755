//! Dice that fall the same way again for the same seed. Not randomness: nothing secret may come of them.

use crate::model::Span;

/// The dice (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as this seed says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).checked_rem(end).unwrap_or(0)
    }

    /// Whether a chance of one in `many` came up.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// A span from one second up to and with this one.
    pub fn span(&mut self, at_most: Span) -> Span {
        Span::seconds(self.below(at_most.as_seconds()).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;
    use crate::model::Span;

    #[test]
    fn the_same_seed_falls_the_same_way_and_every_side_comes_up() {
        let throw = |seed| (0..1000).scan(Dice::new(seed), |dice, _| Some(dice.below(6))).collect::<Vec<_>>();
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
        for side in 0..6 {
            let times = throw(7).into_iter().filter(|fell| *fell == side).count();
            assert!((100..240).contains(&times), "{side} came up {times} times");
        }
        let mut dice = Dice::new(1);
        assert!((0..100).all(|_| (1..=3).contains(&dice.span(Span::seconds(3)).as_seconds())));
        assert_eq!(dice.below(0), 0);
    }
}
