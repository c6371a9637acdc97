//! Percentiles of sorted values.

/// The value that so many percent of them do not exceed; the default of nothing.
pub(crate) fn percentile<T: Copy + Default>(ascending: &[T], percent: usize) -> T {
    let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        assert_eq!(
            [0, 25, 50, 75, 99, 100].map(|percent| percentile(&[1, 2, 3, 4], percent)),
            [1, 1, 2, 3, 4, 4]
        );
        assert_eq!(percentile::<u64>(&[], 50), 0);
    }
}
