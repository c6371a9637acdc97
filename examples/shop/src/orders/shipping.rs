//! Where an order goes, and how far it has come.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidings::{Ctx, Outcome, Query, QueryCtx, Reads, Result, reject, sql};
use uuid::Uuid;

use super::move_on;
use super::state::Fact;

const BYTES_MAX: usize = 200;

/// Where an order goes; `null` if there is none. The events do not say it, because they are kept for long.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.shipping-address", output = Option<Address>)]
pub(crate) struct ShippingAddress {
    pub(crate) order_id: Uuid,
}

/// Somebody's address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) name: String,
    pub(crate) street: String,
    pub(crate) city: String,
    /// Two letters (ISO 3166).
    pub(crate) country: String,
}

/// So that it does not get into a log by accident.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(in {})", self.country)
    }
}

#[derive(Reads)]
#[reads("shipping.shipped", versions = "1")]
pub(super) struct Shipped {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("shipping.delivered", versions = "1")]
pub(super) struct Delivered {
    order_id: Uuid,
}

impl Address {
    /// Refuses what no parcel could be sent to.
    pub(super) fn check(&self) -> Outcome<()> {
        for (name, text) in [("name", &self.name), ("street", &self.street), ("city", &self.city)] {
            if text.trim().is_empty() || text.len() > BYTES_MAX {
                return reject("bad_address", format!("`ship_to.{name}` has 1 to {BYTES_MAX} bytes"));
            }
        }
        if self.country.len() != 2 || !self.country.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return reject("bad_address", "`ship_to.country` has two capital letters");
        }
        Ok(())
    }
}

pub(super) async fn shipped(ctx: &mut Ctx, order: Shipped) -> Result<()> {
    move_on(ctx, order.order_id, Fact::Shipped).await?;
    Ok(())
}

pub(super) async fn delivered(ctx: &mut Ctx, order: Delivered) -> Result<()> {
    move_on(ctx, order.order_id, Fact::Delivered).await?;
    Ok(())
}

pub(super) async fn shipping_address(ctx: &mut QueryCtx, of: ShippingAddress) -> Result<Option<Address>> {
    let row = sql("SELECT ship_to_name, ship_to_street, ship_to_city, ship_to_country FROM orders
         WHERE order_id = $1")
    .bind(of.order_id)
    .fetch_optional(ctx.tx())
    .await?;
    Ok(row.map(|(name, street, city, country)| Address { name, street, city, country }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_parcel_gets_to_are_refused() {
        let address = |name: &str, country: &str| Address {
            name: name.to_owned(),
            street: "Lindenstr. 1".to_owned(),
            city: "Berlin".to_owned(),
            country: country.to_owned(),
        };
        address("Ada", "DE").check().unwrap();
        for refused in
            [address(" ", "DE"), address(&"a".repeat(BYTES_MAX + 1), "DE"), address("Ada", "Germany")]
        {
            let rejected = refused.check().unwrap_err();
            assert_eq!(rejected.rejection().map(|it| it.code.as_str()), Some("bad_address"));
        }
    }
}
