//! How many cells a segment has. Each step rewrites all of it, and the fresh memory that it fills
//! then is what an insertion into a large table waits for most: so it doubles in three steps, and
//! is filled far. Were all segments to take a step at the same time, the table would now and then
//! have many more cells than it needs. So each quarter of the hashes has sizes of its own.

/// The least size.
pub const SMALLEST: usize = 8;

/// The sizes in which the segments of a quarter of the hashes grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// That of a segment which has just been split, and the one behind it.
    steps: [usize; 2],
    /// A segment of so many cells is split rather than grown.
    pub largest: usize,
}

/// By quarter. All are sizes of the allocator, so that nothing is rounded up.
const QUARTERS: [Sizes; 4] = [
    Sizes { steps: [320, 384], largest: 512 },
    Sizes { steps: [256, 320], largest: 448 },
    Sizes { steps: [224, 320], largest: 384 },
    Sizes { steps: [192, 256], largest: 320 },
];

impl Sizes {
    /// Those of the segment with this hash in it, whose records share so many bits.
    #[inline(always)]
    pub fn of(hash: u32, depth: u32) -> Self {
        let quarter = if depth < 2 { 0 } else { (hash >> 30) as usize };
        let [first, ..] = QUARTERS;
        QUARTERS.get(quarter).copied().unwrap_or(first)
    }

    /// The next larger size. Small steps up to the first of those above, since a small pool is one
    /// segment.
    pub fn larger(self, cells: usize) -> usize {
        let step = if cells < 16 { cells } else { (1 << cells.ilog2()) / 4 };
        let next = cells.saturating_add(step);
        let [first, second] = self.steps;
        let steps = [first, second, self.largest];
        steps.into_iter().find(|&step| step > cells).filter(|_| next > first).unwrap_or(next)
    }

    /// The smallest size in which so many records have room to grow.
    pub fn fitting(self, live: usize) -> usize {
        let mut cells = SMALLEST;
        while live.saturating_mul(5) > cells.saturating_mul(4) {
            cells = self.larger(cells);
        }
        cells
    }

    /// As [`Sizes::fitting`], of a half of what was split.
    pub fn fitting_half(self, live: usize) -> usize {
        let [first, _] = self.steps;
        if live.saturating_mul(8) <= first.saturating_mul(7) {
            return first;
        }
        self.fitting(live)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_was_split_grows_twice_before_it_is_split_again() {
        for quarter in 0..4u32 {
            let sizes = Sizes::of(quarter << 30, 2);
            assert_eq!(Sizes::of(quarter << 30, 1), Sizes::of(0, 2));
            let [first, second] = sizes.steps;
            assert_eq!((sizes.larger(first), sizes.larger(second)), (second, sizes.largest));
            // Split when eleven twelfths are full; some records more fall into one half.
            let half = sizes.largest.saturating_mul(11) / 24;
            for live in [half.saturating_sub(20), half, half.saturating_add(6)] {
                assert_eq!(sizes.fitting_half(live), first, "{live}");
            }
            let mut cells = SMALLEST;
            let mut steps = Vec::new();
            while cells < 2_000 {
                steps.push(cells);
                cells = sizes.larger(cells);
            }
            assert!([first, second, sizes.largest].iter().all(|step| steps.contains(step)), "{steps:?}");
            assert!(steps.is_sorted_by(|one, other| one < other));
        }
    }
}
