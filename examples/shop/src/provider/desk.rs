//! What the provider does for whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Answer;
use super::faults::Fault;
use super::ledger::{Booking, Kind, Ledger};

/// More is declined.
pub(crate) const DECLINED_ABOVE_CENTS: u64 = 40_000;
/// No mail gets there.
const NOWHERE: &str = ".invalid";

pub(super) struct Desk {
    ledger: Ledger,
    /// The key of each charge that was taken back, with the key of the refund. Such a charge cannot be made any more.
    withdrawn: BTreeMap<String, String>,
    tally: Tally,
}

/// What happened since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// Requests whose key and content were known already.
    pub(crate) repeats: u64,
    /// Requests whose key was known with another content.
    pub(crate) conflicts: u64,
    /// How often it misbehaved, and how.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

/// The answer to `GET /ledger`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    charges: u64,
    charged_cents: u64,
    declined: u64,
    refunds: u64,
    refunded_cents: u64,
    mails: u64,
    #[serde(flatten)]
    tally: Tally,
}

impl Desk {
    pub(super) fn with(ledger: Ledger) -> Self {
        let refunds = ledger.bookings().filter(|booking| booking.kind == Kind::Refund);
        let withdrawn =
            refunds.map(|refund| (refund.text("charge").to_owned(), refund.key.clone())).collect();
        Self { ledger, withdrawn, tally: Tally::default() }
    }

    /// Does what is asked, once per key: the same request again is given the same answer.
    pub(super) fn book(&mut self, kind: Kind, key: &str, request: &Value) -> Answer {
        if let Some(booking) = self.ledger.find(key) {
            if booking.kind == kind && booking.request == *request {
                self.tally.repeats += 1;
                return booking.answer.clone();
            }
            self.tally.conflicts += 1;
            return Answer::refused(422, "this `Idempotency-Key` was used for something else");
        }
        let answer = match kind {
            Kind::Charge => self.charge(key, request),
            Kind::Refund => self.refund(request),
            Kind::Mail => mail(request),
        };
        match answer {
            Ok(answer) => self.write_down(kind, key, request, answer),
            Err(refusal) => refusal,
        }
    }

    fn write_down(&mut self, kind: Kind, key: &str, request: &Value, answer: Answer) -> Answer {
        let booking = Booking {
            at: Timestamp::now(),
            kind,
            key: key.to_owned(),
            request: request.clone(),
            answer: answer.clone(),
        };
        if let Kind::Refund = kind {
            self.withdrawn.insert(booking.text("charge").to_owned(), key.to_owned());
        }
        match self.ledger.add(booking) {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(%error, "the provider cannot write its ledger");
                Answer::refused(500, "nothing can be booked at the moment")
            }
        }
    }

    fn charge(&self, key: &str, request: &Value) -> Result<Answer, Answer> {
        text(request, "order_id")?;
        let amount_cents = request.get("amount_cents").and_then(Value::as_u64).filter(|cents| *cents > 0);
        let amount_cents = amount_cents.ok_or_else(|| Answer::refused(400, "`amount_cents` is from 1"))?;
        if self.withdrawn.contains_key(key) {
            return Err(Answer::refused(409, "this charge was withdrawn"));
        }
        if amount_cents > DECLINED_ABOVE_CENTS {
            return Ok(Answer::refused(402, "this is over the limit"));
        }
        Ok(Answer { status: 201, body: json!({ "receipt": receipt("ch") }) })
    }

    /// Gives back what was charged under a key, and sees to it that nothing is charged under it later: whoever asks does
    /// not know whether a charge is still on its way.
    fn refund(&self, request: &Value) -> Result<Answer, Answer> {
        let charge = text(request, "charge")?;
        let is_first = !self.withdrawn.contains_key(charge);
        let charged =
            self.ledger.find(charge).filter(|of| is_first && of.kind == Kind::Charge && of.is_done());
        let refunded_cents = charged.map_or(0, |charge| charge.number("amount_cents"));
        Ok(Answer {
            status: 201,
            body: json!({ "receipt": receipt("re"), "refunded_cents": refunded_cents }),
        })
    }

    pub(super) fn count_fault(&mut self, fault: Fault) {
        *self.tally.faults.entry(fault.as_str()).or_default() += 1;
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary { tally: self.tally.clone(), ..Summary::default() };
        for booking in self.ledger.bookings() {
            match booking.kind {
                Kind::Charge if booking.is_done() => {
                    summary.charges += 1;
                    summary.charged_cents += booking.number("amount_cents");
                }
                Kind::Charge => summary.declined += 1,
                Kind::Refund => {
                    summary.refunds += 1;
                    summary.refunded_cents += booking.number("refunded_cents");
                }
                Kind::Mail => summary.mails += 1,
            }
        }
        summary
    }
}

fn mail(request: &Value) -> Result<Answer, Answer> {
    let to = text(request, "to")?;
    text(request, "subject")?;
    match to.rsplit_once('@') {
        Some((_, domain)) if !domain.ends_with(NOWHERE) => {
            Ok(Answer { status: 202, body: json!({ "receipt": receipt("ml") }) })
        }
        _ => Err(Answer::refused(422, "no mail can be delivered to this address")),
    }
}

fn text<'r>(request: &'r Value, name: &str) -> Result<&'r str, Answer> {
    let text = request.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Answer::refused(400, &format!("`{name}` is missing")))
}

fn receipt(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(cents: u64) -> Value {
        json!({ "order_id": "7", "amount_cents": cents })
    }

    #[test]
    fn a_key_is_good_for_one_thing_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.jsonl");
        let mut desk = Desk::with(Ledger::open(&file).unwrap());
        let first = desk.book(Kind::Charge, "a", &charge(100));
        assert_eq!(first.status, 201);
        assert_eq!(desk.book(Kind::Charge, "a", &charge(100)), first);
        assert_eq!(desk.book(Kind::Charge, "a", &charge(101)).status, 422);
        assert_eq!(desk.book(Kind::Mail, "a", &charge(100)).status, 422);
        assert_eq!(desk.book(Kind::Charge, "b", &charge(DECLINED_ABOVE_CENTS + 1)).status, 402);
        assert_eq!((desk.tally.repeats, desk.tally.conflicts), (1, 2));

        // A kill in the middle of a line: what was not answered was not booked.
        let torn = format!("{}{}", std::fs::read_to_string(&file).unwrap(), r#"{"at":"2026-"#);
        std::fs::write(&file, torn).unwrap();
        drop(desk);
        let mut desk = Desk::with(Ledger::open(&file).unwrap());
        assert_eq!(desk.book(Kind::Charge, "a", &charge(100)), first);
        assert_eq!(desk.book(Kind::Charge, "b", &charge(DECLINED_ABOVE_CENTS + 1)).status, 402);
        assert_eq!(desk.book(Kind::Charge, "c", &charge(1)).status, 201);
        assert_eq!(super::super::read(&file).unwrap().len(), 3);
    }

    #[test]
    fn a_charge_is_taken_back_once_whichever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.jsonl");
        let mut desk = Desk::with(Ledger::open(&file).unwrap());
        let refund = |charge: &str| json!({ "charge": charge });
        desk.book(Kind::Charge, "a", &charge(100));
        assert_eq!(desk.book(Kind::Refund, "ra", &refund("a")).body["refunded_cents"], 100);
        assert_eq!(desk.book(Kind::Refund, "ra", &refund("a")).body["refunded_cents"], 100);
        assert_eq!(desk.book(Kind::Refund, "other", &refund("a")).body["refunded_cents"], 0);
        // The refund overtakes the charge, and the provider is started anew in between.
        assert_eq!(desk.book(Kind::Refund, "rb", &refund("b")).body["refunded_cents"], 0);
        drop(desk);
        let mut desk = Desk::with(Ledger::open(&file).unwrap());
        assert_eq!(desk.book(Kind::Charge, "b", &charge(100)).status, 409);
        let Summary { charges, charged_cents, refunded_cents, .. } = desk.summary();
        assert_eq!((charges, charged_cents, refunded_cents), (1, 100, 100));
    }

    #[test]
    fn what_makes_no_sense_is_not_booked() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Desk::with(Ledger::open(&folder.path().join("ledger.jsonl")).unwrap());
        for (kind, request, status) in [
            (Kind::Charge, json!({}), 400),
            (Kind::Charge, charge(0), 400),
            (Kind::Refund, json!({}), 400),
            (Kind::Mail, json!({ "to": "a@b.example" }), 400),
            (Kind::Mail, json!({ "to": "a@nowhere.invalid", "subject": "s" }), 422),
            (Kind::Mail, json!({ "to": "a", "subject": "s" }), 422),
        ] {
            assert_eq!(desk.book(kind, "k", &request).status, status, "{request}");
        }
        assert_eq!(desk.ledger.bookings().count(), 0);
    }
}
