//! The life of an order.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidings::value::{FromValue, Value};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum State {
    /// Placed; nobody else has taken note of it yet.
    PendingCreation,
    /// Its payment is under way.
    AwaitingPayment,
    /// The money was refused; it is about to be cancelled.
    PaymentFailed,
    /// It will not be delivered.
    Cancelled,
    /// Paid; its goods are being looked for.
    AwaitingStockCheck,
    /// Paid, and its goods are set aside.
    StockReserved,
    /// Paid, and its goods must first arrive.
    OnBackorder,
    /// Its goods seem to have arrived; they are being looked for again.
    StockReplenished,
    /// Its goods have left the house.
    Shipped,
    /// The customer has it.
    Completed,
}

/// What happens to orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    PaymentInitiated,
    PaymentAuthorised,
    PaymentDeclined,
    Cancelled,
    StockReserved,
    StockUnavailable,
    StockReplenished,
    Shipped,
    Delivered,
}

impl State {
    pub(crate) const ALL: [Self; 10] = [
        Self::PendingCreation,
        Self::AwaitingPayment,
        Self::PaymentFailed,
        Self::Cancelled,
        Self::AwaitingStockCheck,
        Self::StockReserved,
        Self::OnBackorder,
        Self::StockReplenished,
        Self::Shipped,
        Self::Completed,
    ];

    /// Where a fact leads from here; `None` if it says nothing new, because it is late or was told twice.
    pub(super) const fn after(self, fact: Fact) -> Option<Self> {
        Some(match (self, fact) {
            (Self::PendingCreation, Fact::PaymentInitiated) => Self::AwaitingPayment,
            (Self::AwaitingPayment, Fact::PaymentAuthorised) => Self::AwaitingStockCheck,
            (Self::AwaitingPayment, Fact::PaymentDeclined) => Self::PaymentFailed,
            (Self::PendingCreation | Self::AwaitingPayment | Self::PaymentFailed, Fact::Cancelled) => {
                Self::Cancelled
            }
            (Self::AwaitingStockCheck | Self::StockReplenished, Fact::StockReserved) => Self::StockReserved,
            (Self::AwaitingStockCheck | Self::StockReplenished, Fact::StockUnavailable) => Self::OnBackorder,
            (Self::OnBackorder, Fact::StockReplenished) => Self::StockReplenished,
            (Self::StockReserved, Fact::Shipped) => Self::Shipped,
            (Self::Shipped, Fact::Delivered) => Self::Completed,
            _ => return None,
        })
    }

    /// Nothing is under way: it is done, or waits for a delivery.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::OnBackorder)
    }

    /// The customer's money is taken.
    pub(crate) const fn is_paid(self) -> bool {
        matches!(
            self,
            Self::AwaitingStockCheck
                | Self::StockReserved
                | Self::OnBackorder
                | Self::StockReplenished
                | Self::Shipped
                | Self::Completed
        )
    }

    /// Its goods have left the house.
    pub(crate) const fn is_shipped(self) -> bool {
        matches!(self, Self::Shipped | Self::Completed)
    }

    /// The stored and displayed form.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PendingCreation => "PendingCreation",
            Self::AwaitingPayment => "AwaitingPayment",
            Self::PaymentFailed => "PaymentFailed",
            Self::Cancelled => "Cancelled",
            Self::AwaitingStockCheck => "AwaitingStockCheck",
            Self::StockReserved => "StockReserved",
            Self::OnBackorder => "OnBackorder",
            Self::StockReplenished => "StockReplenished",
            Self::Shipped => "Shipped",
            Self::Completed => "Completed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<State> for Value {
    fn from(state: State) -> Self {
        Self::from(state.as_str())
    }
}

impl FromValue for State {
    fn from_value(value: &Value) -> Option<Self> {
        let text = String::from_value(value)?;
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(facts: &[Fact]) -> Vec<State> {
        let mut state = State::PendingCreation;
        let mut path = vec![state];
        for fact in facts {
            let next = state.after(*fact);
            if let Some(next) = next {
                state = next;
                path.push(next);
            }
        }
        path
    }

    #[test]
    fn the_three_lives_of_an_order() {
        use Fact::{
            Cancelled, Delivered, PaymentAuthorised, PaymentDeclined, PaymentInitiated, Shipped,
            StockReplenished, StockReserved, StockUnavailable,
        };
        use State as S;
        assert_eq!(
            walk(&[PaymentInitiated, PaymentAuthorised, StockReserved, Shipped, Delivered])[1..],
            [S::AwaitingPayment, S::AwaitingStockCheck, S::StockReserved, S::Shipped, S::Completed]
        );
        assert_eq!(
            walk(&[PaymentInitiated, PaymentDeclined, Cancelled]),
            [S::PendingCreation, S::AwaitingPayment, S::PaymentFailed, S::Cancelled]
        );
        assert_eq!(
            walk(&[PaymentInitiated, PaymentAuthorised, StockUnavailable, StockReplenished, StockReserved])
                [3..],
            [S::OnBackorder, S::StockReplenished, S::StockReserved]
        );
    }

    #[test]
    fn what_comes_late_or_twice_changes_nothing() {
        assert_eq!(State::Cancelled.after(Fact::PaymentAuthorised), None);
        assert_eq!(State::StockReserved.after(Fact::StockReserved), None);
        assert_eq!(State::Completed.after(Fact::Shipped), None);
        assert_eq!(State::StockReserved.after(Fact::Cancelled), None);
        assert_eq!(State::AwaitingStockCheck.after(Fact::StockReplenished), None);
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_value(&state.into()), Some(state));
        }
    }
}
