//! What the environment says about how to test.

/// The variable that CI services set. `CI=false` and an empty value mean a person at a terminal.
pub(super) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| means_yes(&value))
}

fn means_yes(value: &str) -> bool {
    !matches!(value.trim(), "" | "0" | "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_ci() {
        for (value, expected) in [("true", true), ("1", true), ("", false), ("false", false)] {
            assert_eq!(means_yes(value), expected, "{value}");
        }
    }
}
