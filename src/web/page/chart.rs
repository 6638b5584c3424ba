//! A row of bars, one a minute, as numbers for an SVG.

/// Width of a minute in the SVG's own units.
const STEP: usize = 10;

/// Height of the highest bar in the SVG's own units.
const HEIGHT: u64 = 100;

/// The least height of a bar: a single error beside a thousand is still there.
const LEAST: u64 = 4;

/// A row of bars.
pub struct Chart {
    /// All bars, from left to right; minutes without errors have none.
    pub bars: Vec<Bar>,
    /// How far from the left nothing is known.
    pub unknown_width: usize,
    /// The width of all minutes.
    pub width: usize,
    /// The most errors in a minute.
    pub most: u64,
    /// All errors.
    pub sum: u64,
}

/// One bar.
#[derive(Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its left edge.
    pub x: usize,
    /// Its top edge.
    pub y: u64,
    /// Its height.
    pub height: u64,
}

impl Chart {
    /// The chart of counts per minute, oldest first.
    pub fn of(counts: &[Option<u64>]) -> Self {
        let known = counts.iter().copied().map(Option::unwrap_or_default);
        let most = known.clone().max().unwrap_or(0);
        let bar = |(i, count): (usize, u64)| {
            let height = (HEIGHT * count / most.max(1)).max(LEAST);
            Bar { x: i * STEP + 1, y: HEIGHT - height, height }
        };
        Self {
            bars: known.clone().enumerate().filter(|(_, count)| *count > 0).map(bar).collect(),
            unknown_width: counts.iter().take_while(|c| c.is_none()).count() * STEP,
            width: counts.len() * STEP,
            most,
            sum: known.sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_share_and_never_invisible() {
        let chart = Chart::of(&[None, Some(0), Some(1), Some(500), Some(1_000)]);
        assert_eq!((chart.unknown_width, chart.width, chart.most, chart.sum), (10, 50, 1_000, 1_501));
        let bars = [(21, 96, 4), (31, 50, 50), (41, 0, 100)].map(|(x, y, height)| Bar { x, y, height });
        assert_eq!(chart.bars, bars);
    }

    #[test]
    fn without_errors_there_are_no_bars() {
        let chart = Chart::of(&[Some(0); 60]);
        assert_eq!((chart.bars.len(), chart.most, chart.unknown_width), (0, 0, 0));
        assert_eq!(Chart::of(&[]).width, 0);
    }
}
