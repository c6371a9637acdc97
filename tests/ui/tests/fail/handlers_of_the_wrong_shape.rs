use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Module, Outcome, Query, Result};

#[derive(Command, Serialize, Deserialize)]
#[command("orders.place", output = u64)]
struct PlaceOrder {}

#[derive(Query, Serialize, Deserialize)]
#[query("orders.count", output = u64)]
struct Count {}

#[derive(Serialize, Deserialize)]
struct Nameless {}

async fn another_output(_ctx: &mut Ctx, _cmd: PlaceOrder) -> Outcome<String> {
    Ok(String::new())
}

async fn no_command(_ctx: &mut Ctx, _cmd: Nameless) -> Outcome<()> {
    Ok(())
}

async fn a_query_that_could_write(_ctx: &mut Ctx, _query: Count) -> Result<u64> {
    Ok(0)
}

fn main() {
    let _ = Module::new("orders").command(another_output);
    let _ = Module::new("orders").command(no_command);
    let _ = Module::new("orders").query(a_query_that_could_write);
}
