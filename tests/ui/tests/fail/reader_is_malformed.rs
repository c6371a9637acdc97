use tidings::Reads;

#[derive(Reads)]
struct NoAttribute {
    order_id: String,
}

#[derive(Reads)]
#[reads("orders.placed")]
struct NoVersions {
    order_id: String,
}

#[derive(Reads)]
#[reads("orders.placed", version = "1")]
struct Misspelt {
    order_id: String,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Tuple(String);

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Borrowed<'a> {
    order_id: &'a str,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
#[serde(rename_all = "camelCase")]
struct Attributes {
    #[serde(default)]
    order_id: String,
    #[reads(rename = "order_id")]
    again: String,
}

fn main() {}
