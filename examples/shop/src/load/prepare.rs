//! What there must be before orders can come.

use tidings::Result;
use uuid::Uuid;

use crate::cli::LoadOptions;
use crate::client::Client;
use crate::customers::Register;
use crate::inventory::Restock;

const CUSTOMERS: u32 = 100;
pub(super) const SKUS: [&str; 5] = ["coffee-beans", "honey", "mug", "tea-black", "tea-green"];
/// Pieces that an order takes of a product, at most.
pub(super) const QUANTITY_MAX: u32 = 3;

/// Fills the warehouse, so that no order waits for goods, and registers customers.
pub(super) async fn prepare(client: &Client, options: &LoadOptions) -> Result<Vec<Uuid>> {
    let orders = arrivals(options);
    for sku in SKUS {
        let quantity = orders.saturating_mul(QUANTITY_MAX).min(500_000_000);
        client.send(&Restock { sku: sku.to_owned(), quantity }, None).await?;
    }
    let mut customers = Vec::new();
    for number in 0..CUSTOMERS {
        let customer_id = Uuid::new_v4();
        client
            .send(&Register { customer_id, email: format!("load-{number}@customers.example") }, None)
            .await?;
        customers.push(customer_id);
    }
    Ok(customers)
}

/// How many orders come.
pub(super) fn arrivals(options: &LoadOptions) -> u32 {
    let orders = f64::from(options.rate) * options.time.as_secs_f64();
    // More than a u32 of orders nobody waits for.
    orders.round().clamp(1.0, f64::from(u32::MAX)) as u32
}
