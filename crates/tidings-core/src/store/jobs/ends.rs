//! How attempts end.

use jiff::Timestamp;

/// What becomes of a job at the end of an attempt. One that was asked to be cancelled is not tried again: an end after which
/// there would be another attempt cancels it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It is done.
    Completed,
    /// The attempt failed; another one is made when due.
    Retry {
        /// When.
        due: Timestamp,
        /// The error and its causes.
        error: String,
    },
    /// It asked to be run later; that is no failure.
    Snoozed {
        /// When.
        due: Timestamp,
    },
    /// There will be no further attempt, unless a person says so.
    Dead {
        /// Why not.
        reason: DeathReason,
        /// The error and its causes.
        error: String,
        /// Later jobs of its key go on.
        releases_key: bool,
    },
    /// Somebody cancelled it while it ran.
    Cancelled {
        /// Why, in that person's words.
        reason: String,
    },
    /// Its worker stops in order: the attempt says nothing about the job, and another one is made at once. A suspect is a
    /// suspect again.
    GivenBack,
}

/// Why a job is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeathReason {
    /// Its retries are used up.
    Exhausted,
    /// An error that no attempt can mend.
    Permanent,
    /// The process ended again and again while it ran.
    Lethal,
}

impl DeathReason {
    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Permanent => "permanent",
            Self::Lethal => "lethal",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Exhausted, Self::Permanent, Self::Lethal].into_iter().find(|reason| reason.as_str() == text)
    }
}
