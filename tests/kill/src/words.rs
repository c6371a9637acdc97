//! What a victim says, one line each.

use std::fmt;
use std::io::Write;

/// A line of a victim's standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The application runs.
    Ready,
    /// The application does not start, and why.
    Refused(String),
    /// A command completed; said after the acknowledgement, never before.
    Done {
        /// The account.
        account: String,
        /// The command's number.
        seq: i64,
        /// The event it published, from the command's output.
        event_id: String,
    },
    /// A command was rejected; said after the acknowledgement.
    Rejected {
        /// The account.
        account: String,
        /// The command's number.
        seq: i64,
    },
    /// A command has no outcome yet; it is sent again.
    Failed {
        /// The account.
        account: String,
        /// The command's number.
        seq: i64,
        /// The error with its causes.
        error: String,
    },
    /// A charge is finished; said after the commit, never before.
    Charged {
        /// The account.
        account: String,
        /// The order.
        seq: i64,
        /// The event that it published.
        event_id: String,
    },
    /// The runtime of a charge is frozen from now on.
    Frozen {
        /// The account.
        account: String,
        /// The order.
        seq: i64,
    },
    /// A charge could not finish, because its attempt is void.
    Fenced {
        /// The account.
        account: String,
        /// The order.
        seq: i64,
        /// The error with its causes.
        error: String,
    },
    /// Nothing is left to do.
    Settled,
    /// The victim begins to end in order.
    Stopping,
}

impl Word {
    /// Reads a line back.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut parts = rest.splitn(3, ' ');
        let mut next = || parts.next().map(str::to_owned);
        Some(match word {
            "ready" => Self::Ready,
            "settled" => Self::Settled,
            "stopping" => Self::Stopping,
            "refused" => Self::Refused(rest.to_owned()),
            "done" => Self::Done { account: next()?, seq: next()?.parse().ok()?, event_id: next()? },
            "rejected" => Self::Rejected { account: next()?, seq: next()?.parse().ok()? },
            "charged" => Self::Charged { account: next()?, seq: next()?.parse().ok()?, event_id: next()? },
            "frozen" => Self::Frozen { account: next()?, seq: next()?.parse().ok()? },
            "fenced" => Self::Fenced { account: next()?, seq: next()?.parse().ok()?, error: next()? },
            "failed" => Self::Failed { account: next()?, seq: next()?.parse().ok()?, error: next()? },
            _ => return None,
        })
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |text: &str| text.replace('\n', " ");
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Settled => f.write_str("settled"),
            Self::Stopping => f.write_str("stopping"),
            Self::Refused(why) => write!(f, "refused {}", line(why)),
            Self::Done { account, seq, event_id } => write!(f, "done {account} {seq} {event_id}"),
            Self::Rejected { account, seq } => write!(f, "rejected {account} {seq}"),
            Self::Charged { account, seq, event_id } => write!(f, "charged {account} {seq} {event_id}"),
            Self::Frozen { account, seq } => write!(f, "frozen {account} {seq}"),
            Self::Fenced { account, seq, error } => write!(f, "fenced {account} {seq} {}", line(error)),
            Self::Failed { account, seq, error } => write!(f, "failed {account} {seq} {}", line(error)),
        }
    }
}

/// Says it on standard output.
pub fn say(word: &Word) {
    // One write for the whole line, so that a kill leaves it whole or not at all.
    let line = format!("{word}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        // The harness is gone, and with it the reason to live.
        std::process::exit(3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        let account = "a1".to_owned();
        for word in [
            Word::Ready,
            Word::Refused("held by process 7".into()),
            Word::Done { account: account.clone(), seq: 3, event_id: "x".into() },
            Word::Rejected { account: account.clone(), seq: 4 },
            Word::Failed { account: account.clone(), seq: 5, error: "the disk is full".into() },
            Word::Charged { account: account.clone(), seq: 7, event_id: "y".into() },
            Word::Frozen { account: account.clone(), seq: 7 },
            Word::Fenced { account, seq: 7, error: "the lease is void".into() },
            Word::Settled,
            Word::Stopping,
        ] {
            assert_eq!(Word::parse(&word.to_string()), Some(word));
        }
        assert_eq!(Word::parse("done a1 3"), None, "a line that was cut short says nothing");
    }
}
