//! What was acknowledged: the account that the database is held against.

use std::collections::HashMap;

use tidings_kill_tests::app;
use tidings_kill_tests::plan::CallerPlan;
use tidings_kill_tests::words::Word;

use super::figures::Figures;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    Done { event_id: String },
    Rejected,
}

/// The acknowledgements of each account, in the order of its commands: the first is of number 1.
pub(crate) struct Acks {
    pub(crate) accounts: Vec<(String, Vec<Ack>)>,
    /// The events of charges that were said to be finished, by account and number. Whoever finds two has found a charge
    /// that was finished twice.
    pub(crate) charged: HashMap<(usize, i64), Vec<String>>,
}

impl Acks {
    pub(crate) fn new(accounts: usize) -> Self {
        let accounts = (0..accounts).map(|number| (format!("a{number}"), Vec::new())).collect();
        Self { accounts, charged: HashMap::new() }
    }

    /// Every caller goes on behind its last acknowledgement.
    pub(crate) fn callers(&self) -> Vec<CallerPlan> {
        let next = |acks: &Vec<Ack>| i64::try_from(acks.len()).unwrap_or(i64::MAX - 1) + 1;
        self.accounts
            .iter()
            .map(|(account, acks)| CallerPlan { account: account.clone(), next_seq: next(acks) })
            .collect()
    }

    pub(crate) fn index(&self, account: &str) -> Option<usize> {
        self.accounts.iter().position(|(name, _)| name == account)
    }

    /// Takes note of a word; an error is a broken promise.
    pub(crate) fn learn(&mut self, word: &Word, figures: &mut Figures) -> Result<(), String> {
        match word {
            Word::Done { account, seq, event_id } => {
                let ack = Ack::Done { event_id: event_id.clone() };
                self.take(account, *seq, ack, figures)
            }
            Word::Rejected { account, seq } => self.take(account, *seq, Ack::Rejected, figures),
            Word::Failed { error, .. } => {
                figures.failed(error);
                Ok(())
            }
            Word::Charged { account, seq, event_id } => {
                let index =
                    self.index(account).ok_or_else(|| format!("nobody asked for account {account}"))?;
                self.charged.entry((index, *seq)).or_default().push(event_id.replace('-', ""));
                figures.charges_told += 1;
                Ok(())
            }
            Word::Fenced { .. } => {
                figures.fenced += 1;
                Ok(())
            }
            Word::Refused(why) => Err(format!("the application did not start: {why}")),
            Word::Ready | Word::Frozen { .. } | Word::Settled | Word::Stopping => Ok(()),
        }
    }

    fn take(&mut self, account: &str, seq: i64, ack: Ack, figures: &mut Figures) -> Result<(), String> {
        let index = self.index(account).ok_or_else(|| format!("nobody asked for account {account}"))?;
        let acks = &mut self.accounts[index].1;
        let place = usize::try_from(seq - 1).map_err(|_| format!("{account} has no command {seq}"))?;
        if (ack == Ack::Rejected) != app::is_rejected(seq) {
            return Err(format!("command {seq} of {account} has the wrong outcome: {ack:?}"));
        }
        match acks.get(place) {
            Some(known) if *known == ack => figures.asked_again += 1,
            Some(known) => return Err(format!("command {seq} of {account}: first {known:?}, then {ack:?}")),
            None if place == acks.len() => {
                figures.acknowledged(&ack);
                acks.push(ack);
            }
            None => return Err(format!("command {seq} of {account} was acknowledged out of turn")),
        }
        Ok(())
    }
}
