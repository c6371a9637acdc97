//! What the shop sells, and for how much. A real shop keeps this in a table.

struct Product {
    sku: &'static str,
    price_cents: u32,
}

const CATALOGUE: &[Product] = &[
    Product { sku: "coffee-beans", price_cents: 1_290 },
    Product { sku: "espresso-machine", price_cents: 44_900 },
    Product { sku: "honey", price_cents: 780 },
    Product { sku: "kettle", price_cents: 5_900 },
    Product { sku: "mug", price_cents: 950 },
    Product { sku: "tea-autumn", price_cents: 690 },
    Product { sku: "tea-black", price_cents: 590 },
    Product { sku: "tea-green", price_cents: 640 },
    // Free: payments never heard that an order may cost nothing.
    Product { sku: "tea-sample", price_cents: 0 },
    Product { sku: "teapot", price_cents: 3_490 },
];

/// The price of one piece, if the shop sells it.
pub(super) fn price_cents(sku: &str) -> Option<u32> {
    CATALOGUE.iter().find(|product| product.sku == sku).map(|product| product.price_cents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::place::{LINES_MAX, QUANTITY_MAX};

    /// The contract's bound on `total_cents`; an order that broke it could not be published.
    const TOTAL_CENTS_MAX: u64 = 100_000_000;

    #[test]
    fn no_order_costs_more_than_its_contract_allows() {
        let dearest = CATALOGUE.iter().map(|product| u64::from(product.price_cents)).max().unwrap();
        assert!(dearest * u64::from(QUANTITY_MAX) * LINES_MAX as u64 <= TOTAL_CENTS_MAX);
    }
}
