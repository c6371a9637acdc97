use tidings::{Ctx, Reads, Result};
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct OrderRef {
    order_id: Uuid,
}

async fn echo(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    ctx.publish(order).await?;
    Ok(())
}

fn main() {
    let _ = tidings::Module::new("echo").on("echo", echo);
}
