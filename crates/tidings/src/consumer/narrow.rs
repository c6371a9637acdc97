//! Which of the messages of a failed attempt comes next, and with how many others.

use super::failure::Failure;

/// What an attempt was, and how far it came.
pub(super) struct Ran {
    /// Messages in it.
    pub(super) count: usize,
    /// The message that was running; `count` if all had ended, and writing down or the commit failed.
    pub(super) at: usize,
    /// Its first message goes to a handler of batches, so the culprit may be any of those in the call.
    pub(super) batched: bool,
}

/// How many messages to attempt next; `None` if one message is alone and to blame.
pub(super) fn next_size(ran: &Ran, failure: &Failure) -> Option<usize> {
    if ran.at > 0 && ran.at < ran.count {
        // What came before it went well, and goes first.
        return Some(ran.at);
    }
    if ran.count <= 1 {
        return None;
    }
    if ran.batched || ran.at >= ran.count {
        // Any of them may be the one: a constraint that is deferred to the commit, say.
        return Some(ran.count / 2);
    }
    match failure {
        Failure::Suspect(_) | Failure::Transient(_) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tidings_core::error::Error;

    use super::*;

    #[test]
    fn the_culprit_is_narrowed_down() {
        let failed = || Failure::Failed(Error::failed("it does not work"));
        let suspect = || Failure::Suspect(Error::failed("it was interrupted"));
        let cases = [
            ("what came before goes first", 256, 7, false, failed(), Some(7)),
            ("a message that failed by itself needs no proof", 256, 0, false, failed(), None),
            ("an interruption does", 256, 0, false, suspect(), Some(1)),
            ("a failure at the commit halves", 256, 256, false, failed(), Some(128)),
            ("a batch halves", 256, 0, true, failed(), Some(128)),
            ("alone at the commit", 1, 1, false, failed(), None),
            ("alone", 1, 0, true, suspect(), None),
        ];
        for (what, count, at, batched, failure, expected) in cases {
            assert_eq!(next_size(&Ran { count, at, batched }, &failure), expected, "{what}");
        }
    }
}
