//! What is broken is a file that the contract refers to.
use tidings::Reads;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "broken-shared")]
struct Order {
    total: i64,
}

#[derive(Reads)]
#[reads("orders.paid", versions = "1", schemas = "broken-shared")]
struct Paid {
    rate: f64,
}

fn main() {}
