//! The provider's books, read from its file and not from its memory.

use std::collections::BTreeSet;

use tidings::Result;

use super::report::show;
use crate::provider::{Booking, Kind, Tally, read};
use crate::shop::Shop;

/// What the provider has booked.
#[derive(Default)]
pub(super) struct Audit {
    pub(super) charges: usize,
    pub(super) charged_cents: i64,
    pub(super) declined: usize,
    /// Charges that were taken back.
    pub(super) refunds: usize,
    pub(super) refunded_cents: i64,
    /// Charges that were called off before they were made.
    pub(super) withdrawn: usize,
    pub(super) mails: usize,
    pub(super) key_booked_twice: Option<String>,
    pub(super) order_charged_twice: Option<String>,
    pub(super) mail_sent_twice: Option<String>,
    tally: Tally,
}

impl Audit {
    pub(super) fn of(shop: &Shop) -> Result<Self> {
        let mut audit = Self::default();
        let Some(provider) = &shop.provider else { return Ok(audit) };
        audit.tally = provider.tally();
        let (mut keys, mut orders, mut mails) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for booking in read(provider.ledger())? {
            note_twice(&mut keys, &booking.key, &mut audit.key_booked_twice);
            if booking.kind == Kind::Charge && booking.is_done() {
                note_twice(&mut orders, booking.text("order_id"), &mut audit.order_charged_twice);
            }
            if booking.kind == Kind::Mail {
                note_twice(&mut mails, booking.text("reference"), &mut audit.mail_sent_twice);
            }
            audit.add(&booking);
        }
        Ok(audit)
    }

    fn add(&mut self, booking: &Booking) {
        let cents = |name| i64::try_from(booking.number(name)).unwrap_or(i64::MAX);
        match booking.kind {
            Kind::Charge if booking.is_done() => {
                self.charges += 1;
                self.charged_cents += cents("amount_cents");
            }
            Kind::Charge => self.declined += 1,
            Kind::Refund if booking.number("refunded_cents") == 0 => self.withdrawn += 1,
            Kind::Refund => {
                self.refunds += 1;
                self.refunded_cents += cents("refunded_cents");
            }
            Kind::Mail => self.mails += 1,
        }
    }

    pub(super) fn print(&self) {
        let worth = |cents: i64| format!("{:.2}", cents as f64 / 100.0);
        let row = |what: &str, times: usize, worth: String| [what.to_owned(), times.to_string(), worth];
        let rows = [
            row("charges", self.charges, worth(self.charged_cents)),
            row("charges declined", self.declined, String::new()),
            row("charges taken back", self.refunds, worth(self.refunded_cents)),
            row("charges called off in time", self.withdrawn, String::new()),
            row("mails", self.mails, String::new()),
        ];
        show("What the provider has booked", &["", "times", "worth"], rows.into_iter());
        let faults: Vec<_> =
            self.tally.faults.iter().map(|(fault, times)| format!("{fault} {times}")).collect();
        let faults = if faults.is_empty() { "never".to_owned() } else { faults.join(", ") };
        println!("It misbehaved: {faults}.");
        println!(
            "It was asked {} times for what it had done already, knew the key, and gave the same answer.\n",
            self.tally.repeats
        );
    }
}

fn note_twice(seen: &mut BTreeSet<String>, one: &str, twice: &mut Option<String>) {
    if !seen.insert(one.to_owned()) {
        *twice = Some(one.to_owned());
    }
}
