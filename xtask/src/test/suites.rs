//! The suites, in their order. This list is data: to add a suite, add an entry.

use crate::services::Kind;

pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// What a green end means.
    pub(crate) shows: &'static str,
    /// Left out by `--fast`.
    pub(crate) is_slow: bool,
    /// The suite is in the list only when the workspace has this package.
    pub(crate) package: Option<&'static str>,
    /// Started when needed; its address is in the environment of the steps.
    pub(crate) service: Option<Kind>,
    /// Programs that its tests start themselves, each with Debian's package of it: installed where that may be done. Where
    /// one is missing the tests say so.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// For every step, unless the variable is set already. `{temp}` is a fresh folder, removed afterwards.
    pub(crate) environment: &'static [(&'static str, &'static str)],
    /// Each step, when nobody is watching.
    pub(crate) limit_minutes: u64,
    /// Run one after the other, up to the first that fails.
    pub(crate) steps: &'static [Step],
}

pub(crate) enum Step {
    Tidy,
    Deny,
    Cargo(&'static [&'static str]),
    /// The same for all members but those of `LEFT_OUT_OF_SWEEPS`.
    CargoSweep(&'static [&'static str]),
}

/// Members whose tests need a service, or minutes: they have suites of their own. And those that only measure.
pub(crate) const LEFT_OUT_OF_SWEEPS: &[&str] =
    &["tidings-postgres", "tidings-kill-tests", "tidings-benches", "tidings-peers", "tidings-peers-contract"];

pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "tidy",
        shows: "the layout keeps its rules",
        limit_minutes: 5,
        steps: &[Step::Tidy],
        ..QUICK
    },
    Suite {
        name: "fmt",
        shows: "the code is formatted",
        limit_minutes: 5,
        steps: &[Step::Cargo(&["fmt", "--all", "--check"])],
        ..QUICK
    },
    Suite {
        name: "clippy",
        shows: "no lint has anything to say",
        steps: &[
            Step::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            // A feature that no member turns on.
            Step::Cargo(&[
                "clippy",
                "--package",
                "tidings-postgres",
                "--features",
                "tls",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ],
        ..QUICK
    },
    Suite {
        name: "unit",
        shows: "unit and integration tests pass, on embedded stores",
        steps: &[Step::CargoSweep(&["test", "--no-fail-fast", "--lib", "--bins", "--tests"])],
        ..QUICK
    },
    Suite {
        name: "doc",
        shows: "examples in the documentation run, and its links lead somewhere",
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
        steps: &[
            Step::CargoSweep(&["test", "--no-fail-fast", "--doc"]),
            Step::Cargo(&["doc", "--workspace", "--no-deps"]),
            Step::Cargo(&["doc", "--package", "tidings", "--features", "testing", "--no-deps"]),
        ],
        ..QUICK
    },
    Suite {
        name: "postgres",
        shows: "the PostgreSQL store passes on a real server, and applications on it",
        package: Some("tidings-postgres"),
        service: Some(Kind::Postgres),
        programs: &[("pgbouncer", "pgbouncer")],
        steps: &[
            Step::Cargo(&["test", "--no-fail-fast", "--package", "tidings-postgres"]),
            // Another build of the driver, for the tests that ask for encrypted connections.
            Step::Cargo(&[
                "test",
                "--package",
                "tidings-postgres",
                "--features",
                "tls",
                "--test",
                "servers",
                "tls::",
            ]),
            // Tests of other packages that need the server are marked as ignored.
            Step::Cargo(&[
                "test",
                "--no-fail-fast",
                "--package",
                "tidings",
                "--test",
                "postgres",
                "--",
                "--ignored",
            ]),
            Step::Cargo(&[
                "test",
                "--no-fail-fast",
                "--package",
                "tidings",
                "--test",
                "processes",
                "--",
                "--ignored",
            ]),
            Step::Cargo(&[
                "test",
                "--no-fail-fast",
                "--package",
                "tidings-cli",
                "--test",
                "cli",
                "--",
                "--ignored",
            ]),
            Step::Cargo(&[
                "test",
                "--no-fail-fast",
                "--package",
                "shop",
                "--test",
                "binary",
                "--",
                "--ignored",
            ]),
        ],
        ..SLOW
    },
    Suite {
        name: "kill",
        shows: "nothing is lost or doubled when processes are killed",
        package: Some("tidings-kill-tests"),
        service: Some(Kind::Postgres),
        limit_minutes: 60,
        environment: &[("TIDINGS_KILL_ROUNDS", "50")],
        // Optimised, so that the kills fall into the work and not into its preparation.
        steps: &[
            Step::Cargo(&["test", "--release", "--package", "tidings-kill-tests", "--", "--skip", "fleet::"]),
            // Each of these starts three processes and measures what becomes of their leases: one after the other.
            Step::Cargo(&[
                "test",
                "--release",
                "--package",
                "tidings-kill-tests",
                "--test",
                "it",
                "--",
                "fleet::",
                "--test-threads",
                "1",
            ]),
        ],
        ..SLOW
    },
    Suite {
        name: "shop",
        shows: "the example does what the README says, on an empty database",
        package: Some("shop"),
        environment: &[("TIDINGS_STORE__PATH", "{temp}/shop.db")],
        limit_minutes: 15,
        steps: &[Step::Cargo(&["run", "--package", "shop", "--", "demo"])],
        ..SLOW
    },
    // Last, because its tool may first have to be built.
    Suite {
        name: "deny",
        shows: "dependencies: licences, sources, duplicates, advisories",
        limit_minutes: 10,
        steps: &[Step::Deny],
        ..SLOW
    },
];

const QUICK: Suite = Suite {
    name: "",
    shows: "",
    is_slow: false,
    package: None,
    service: None,
    programs: &[],
    environment: &[],
    limit_minutes: 30,
    steps: &[],
};

const SLOW: Suite = Suite { is_slow: true, ..QUICK };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_their_own() {
        for (position, suite) in SUITES.iter().enumerate() {
            assert!(!suite.name.is_empty() && suite.name.len() <= 10, "{}", suite.name);
            assert!(SUITES[..position].iter().all(|other| other.name != suite.name));
        }
    }

    #[test]
    fn every_suite_does_something_and_says_what() {
        for suite in SUITES {
            assert!(!suite.steps.is_empty() && !suite.shows.is_empty(), "{}", suite.name);
        }
    }

    #[test]
    fn who_needs_a_service_is_left_out_of_sweeps() {
        for suite in SUITES.iter().filter(|suite| suite.service.is_some()) {
            let package = suite.package.unwrap_or_default();
            assert!(LEFT_OUT_OF_SWEEPS.contains(&package), "{}", suite.name);
        }
    }
}
