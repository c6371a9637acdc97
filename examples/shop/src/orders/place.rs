//! The command `orders.place`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Outcome, Result, reject, sql};
use uuid::Uuid;

use super::catalogue::price_cents;
use super::shipping::Address;
use super::state::State;
use super::stock;
use crate::contracts::orders::Placed as OrderPlaced;

pub(super) const LINES_MAX: usize = 20;
pub(super) const QUANTITY_MAX: u32 = 100;

/// A customer wants something.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("orders.place", output = Placed)]
pub(crate) struct Place {
    pub(crate) customer_id: Uuid,
    pub(crate) ship_to: Address,
    pub(crate) lines: Vec<Line>,
}

/// So many of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

/// An order on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) order_id: Uuid,
    pub(crate) state: State,
    pub(crate) total_cents: u32,
    /// Whether everything is in stock, as far as this module has heard. No promise: the goods are not set aside yet.
    pub(crate) in_stock: bool,
}

pub(super) async fn place(ctx: &mut Ctx, order: Place) -> Outcome<Placed> {
    let total_cents = total_cents(&order.lines)?;
    order.ship_to.check()?;
    let (order_id, state, now) = (Uuid::now_v7(), State::PendingCreation, ctx.now());
    sql("INSERT INTO orders (order_id, customer_id, state, total_cents, placed_at, changed_at,
                             ship_to_name, ship_to_street, ship_to_city, ship_to_country)
         VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9)")
    .bind(order_id)
    .bind(order.customer_id)
    .bind(state)
    .bind(total_cents)
    .bind(now)
    .bind(order.ship_to.name)
    .bind(order.ship_to.street)
    .bind(order.ship_to.city)
    .bind(order.ship_to.country)
    .execute(ctx.tx())
    .await?;
    insert_lines(ctx, order_id, &order.lines).await?;
    ctx.publish(OrderPlaced { order_id, customer_id: order.customer_id, total_cents, placed_at: now })
        .await?;
    let in_stock = stock::seems_in_stock(ctx, order_id).await?;
    Ok(Placed { order_id, state, total_cents, in_stock })
}

/// What an order costs, if it can be placed.
fn total_cents(lines: &[Line]) -> Outcome<u32> {
    if lines.is_empty() {
        return reject("empty_order", "an order needs at least one line");
    }
    if lines.len() > LINES_MAX {
        return reject("too_many_lines", format!("an order has at most {LINES_MAX} lines"));
    }
    let mut seen = BTreeSet::new();
    let mut total_cents = 0;
    for Line { sku, quantity } in lines {
        let Some(price_cents) = price_cents(sku) else {
            return reject("unknown_sku", format!("the shop does not sell `{sku}`"));
        };
        if !(1..=QUANTITY_MAX).contains(quantity) {
            return reject("bad_quantity", format!("`{sku}`: a line has 1 to {QUANTITY_MAX} pieces"));
        }
        if !seen.insert(sku) {
            return reject("duplicate_sku", format!("`{sku}` is on two lines; put them together"));
        }
        total_cents += quantity * price_cents;
    }
    Ok(total_cents)
}

async fn insert_lines(ctx: &mut Ctx, order_id: Uuid, lines: &[Line]) -> Result<()> {
    for line in lines {
        sql("INSERT INTO order_lines (order_id, sku, quantity) VALUES ($1, $2, $3)")
            .bind(order_id)
            .bind(&line.sku)
            .bind(line.quantity)
            .execute(ctx.tx())
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_cannot_be_placed_are_refused_by_name() {
        let line = |sku: &str, quantity| Line { sku: sku.to_owned(), quantity };
        let many = vec![line("mug", 1); LINES_MAX + 1];
        for (lines, code) in [
            (vec![], "empty_order"),
            (many, "too_many_lines"),
            (vec![line("unicorn", 1)], "unknown_sku"),
            (vec![line("mug", 0)], "bad_quantity"),
            (vec![line("mug", QUANTITY_MAX + 1)], "bad_quantity"),
            (vec![line("mug", 1), line("mug", 2)], "duplicate_sku"),
        ] {
            let refused = total_cents(&lines).unwrap_err();
            assert_eq!(refused.rejection().map(|rejection| rejection.code.as_str()), Some(code));
        }
        assert_eq!(total_cents(&[line("mug", 2), line("tea-green", 1)]).unwrap(), 2_540);
    }
}
