use serde::{Deserialize, Serialize};
use tidings::{Ctx, Job, JobCtx, Module, Queue, Result};

#[derive(Job, Serialize, Deserialize)]
#[job("inventory.reorder")]
struct Reorder {}

#[derive(Serialize, Deserialize)]
struct Nameless {}

#[derive(Job, Serialize, Deserialize)]
#[job("inventory.reorder", output = u64)]
struct Answers {}

async fn in_a_transaction(_ctx: &mut Ctx, _job: Reorder) -> Result<()> {
    Ok(())
}

async fn no_job(_ctx: &mut JobCtx, _job: Nameless) -> Result<()> {
    Ok(())
}

async fn answers(_ctx: &mut JobCtx, _job: Reorder) -> Result<u64> {
    Ok(0)
}

fn main() {
    let _ = Module::new("inventory").job(Queue::named("suppliers"), in_a_transaction);
    let _ = Module::new("inventory").job(Queue::named("suppliers"), no_job);
    let _ = Module::new("inventory").job(Queue::named("suppliers"), answers);
}
