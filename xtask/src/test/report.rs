//! What came of each suite, and the table at the end.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Passed,
    /// Passed, but something that belongs to it could not be looked at.
    PassedWithout(String),
    Failed(String),
    NotRun(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => f.write_str("ok"),
            Outcome::PassedWithout(what) => write!(f, "ok, but {what}"),
            Outcome::Failed(why) => write!(f, "FAILED: {why}"),
            Outcome::NotRun(why) => write!(f, "NOT RUN: {why}"),
        }
    }
}

pub(super) struct Report {
    rows: Vec<(&'static str, Outcome, Duration)>,
    left_out: Vec<String>,
}

impl Report {
    pub(super) fn new(left_out: Vec<String>) -> Self {
        Self { rows: Vec::new(), left_out }
    }

    pub(super) fn add(&mut self, suite: &'static str, outcome: Outcome, elapsed: Duration) {
        self.rows.push((suite, outcome, elapsed));
    }

    /// Without a person to read "not run", it has to count.
    pub(super) fn is_good(&self, is_ci: bool) -> bool {
        self.rows.iter().all(|(_, outcome, _)| match outcome {
            Outcome::Passed | Outcome::PassedWithout(_) => true,
            Outcome::Failed(_) => false,
            Outcome::NotRun(_) => !is_ci,
        })
    }

    fn suites_that(&self, are: impl Fn(&Outcome) -> bool) -> Vec<&str> {
        self.rows.iter().filter(|(_, outcome, _)| are(outcome)).map(|(suite, ..)| *suite).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:>8}  outcome", "suite", "seconds")?;
        for (suite, outcome, elapsed) in &self.rows {
            // The whole story was told above; the table keeps to one line each.
            let outcome = outcome.to_string();
            let outcome = outcome.lines().next().unwrap_or_default();
            writeln!(f, "{suite:<10} {:>8.1}  {outcome}", elapsed.as_secs_f64())?;
        }
        for suite in &self.left_out {
            writeln!(f, "left out: {suite}")?;
        }
        let failed = self.suites_that(|outcome| matches!(outcome, Outcome::Failed(_)));
        let not_run = self.suites_that(|outcome| matches!(outcome, Outcome::NotRun(_)));
        if !not_run.is_empty() {
            writeln!(f, "suites not run: {}", not_run.join(", "))?;
        }
        if failed.is_empty() {
            write!(f, "no suite failed")
        } else {
            write!(f, "suites that failed: {}", failed.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: Outcome) -> Report {
        let mut report = Report::new(vec!["kill (--fast)".into()]);
        report.add("fmt", Outcome::Passed, Duration::from_millis(300));
        report.add("postgres", outcome, Duration::from_secs(2));
        report
    }

    #[test]
    fn a_missing_service_counts_only_where_nobody_reads() {
        let report = report(Outcome::NotRun("no server".into()));
        assert!(report.is_good(false));
        assert!(!report.is_good(true));
        assert!(report.to_string().contains("suites not run: postgres"));
    }

    #[test]
    fn a_failure_is_a_failure_everywhere() {
        let report = report(Outcome::Failed("exit status: 101\nmore".into()));
        assert!(!report.is_good(false) && !report.is_good(true));
        let text = report.to_string();
        assert!(text.ends_with("suites that failed: postgres"), "{text}");
        assert!(!text.contains("more"), "one line each: {text}");
    }

    #[test]
    fn what_was_not_looked_at_is_named() {
        let report = report(Outcome::PassedWithout("advisories were not checked".into()));
        assert!(report.is_good(true));
        assert!(report.to_string().contains("advisories were not checked"));
        assert!(report.to_string().contains("left out: kill (--fast)"));
    }
}
