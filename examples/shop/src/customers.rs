//! Customers: how they are reached. Context `sales`.

use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Module, Outcome, migrations, reject, sql};
use uuid::Uuid;

use crate::contracts::customers::ContactChanged;

/// The contract's bound, and the standard's.
const EMAIL_BYTES_MAX: usize = 254;

pub(crate) fn module() -> Module {
    Module::new("customers")
        .context("sales")
        .owns::<ContactChanged>()
        .tables(["customers"])
        .migrations(migrations!("migrations/customers"))
        .command(register)
}

/// A customer is reached here from now on.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("customers.register", output = Registered)]
pub(crate) struct Register {
    pub(crate) customer_id: Uuid,
    pub(crate) email: String,
}

/// A customer on record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) customer_id: Uuid,
    pub(crate) revision: u32,
}

async fn register(ctx: &mut Ctx, customer: Register) -> Outcome<Registered> {
    let Register { customer_id, email } = customer;
    if !is_address(&email) {
        return reject("bad_email", "this is not an e-mail address");
    }
    let (revision,): (u32,) = sql("INSERT INTO customers (customer_id, email) VALUES ($1, $2)
         ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email, revision = customers.revision + 1
         RETURNING revision")
    .bind(customer_id)
    .bind(&email)
    .fetch_one(ctx.tx())
    .await?;
    ctx.publish(ContactChanged { customer_id, email, revision }).await?;
    Ok(Registered { customer_id, revision })
}

/// Enough to tell an address from a slip. Whether mail gets there only mail can tell.
fn is_address(text: &str) -> bool {
    let has_two_parts =
        text.rsplit_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty());
    has_two_parts
        && text.len() <= EMAIL_BYTES_MAX
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_slips() {
        assert!(is_address("ada@customers.example"));
        let long = format!("{}@x", "a".repeat(EMAIL_BYTES_MAX));
        for slip in ["", "ada", "@x", "ada@", "a b@x", "a@x\r\nBcc: b@y", &long] {
            assert!(!is_address(slip), "{slip:?}");
        }
    }
}
