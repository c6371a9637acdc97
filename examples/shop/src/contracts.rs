//! The events of the shop, as Rust types: `schemas/orders.placed/v1.json` becomes `orders::Placed`.

tidings::contracts!("schemas");
