use tidings::Reads;

#[derive(Reads)]
#[reads("orders.placed", versions = "1..=2", schemas = "../../crates/tidings/tests/schemas")]
struct Total {
    total_cents: i64,
}

fn main() {}
