use tidings::Reads;
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "1..=2", schemas = "../../crates/tidings/tests/schemas")]
struct OrderRef {
    order_idd: Uuid,
    gift: Option<String>,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas", at = "lines[]")]
struct Line {
    gift_wrap: Option<bool>,
    #[reads(rename = "sk")]
    sku: String,
}

fn main() {}
