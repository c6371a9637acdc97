use tidings::{Ctx, Module, Reads, Result};
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct OrderRef {
    order_id: Uuid,
}

async fn context_by_value(_ctx: Ctx, order: OrderRef) -> Result<()> {
    let _ = order.order_id;
    Ok(())
}

async fn another_error(_ctx: &mut Ctx, _order: OrderRef) -> std::result::Result<(), String> {
    Ok(())
}

fn main() {
    let _ = Module::new("a").on("by-value", context_by_value);
    let _ = Module::new("b").on("error", another_error);
}
