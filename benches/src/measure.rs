//! Two sides, taken in turn.

use serde::Serialize;

use crate::arguments::{Bench, Side};

/// What the ratio of ours to the floor should be.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
    /// Shown to be compared, judged by nobody.
    None,
}

/// One figure: ours beside its floor, round by round.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) aim: Aim,
    pub(crate) ours: Vec<f64>,
    pub(crate) floor: Vec<f64>,
    /// What each side does.
    pub(crate) note: &'static str,
}

impl Figure {
    /// The median of ours over the median of the floor.
    pub(crate) fn ratio(&self) -> f64 {
        median(&self.ours) / median(&self.floor)
    }

    /// The smallest and the largest ratio of any one round.
    pub(crate) fn ratio_range(&self) -> (f64, f64) {
        let ratios = self.ours.iter().zip(&self.floor).map(|(ours, floor)| ours / floor);
        ratios.fold((f64::INFINITY, 0.0), |(low, high), ratio| (ratio.min(low), ratio.max(high)))
    }

    /// Whether the aim is met, if there is one.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self.aim {
            Aim::AtMost(most) => Some(self.ratio() <= most),
            Aim::AtLeast(least) => Some(self.ratio() >= least),
            Aim::None => None,
        }
    }
}

/// Runs ours and the floor in turn, so that whatever else the machine does meets both.
pub(crate) async fn interleave<T>(
    bench: &Bench,
    name: &str,
    ours: impl AsyncFn() -> tidings::Result<T>,
    floor: impl AsyncFn() -> tidings::Result<T>,
) -> tidings::Result<(Vec<T>, Vec<T>)> {
    let (mut of_ours, mut of_floor) = (Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        eprintln!("{name}: round {round} of {}", bench.rounds);
        if bench.side != Some(Side::Floor) {
            of_ours.push(ours().await?);
        }
        if bench.side != Some(Side::Ours) {
            of_floor.push(floor().await?);
        }
    }
    Ok((of_ours, of_floor))
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 50.0)
}

/// The value below which `percent` of all values lie.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (last as f64 * percent / 100.0).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}
