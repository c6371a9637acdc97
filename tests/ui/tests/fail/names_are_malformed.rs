use serde::{Deserialize, Serialize};
use tidings::{Command, Query};

#[derive(Command, Serialize, Deserialize)]
#[command("place")]
struct NoModule;

#[derive(Command, Serialize, Deserialize)]
#[command("orders.Place")]
struct Capital;

#[derive(Command, Serialize, Deserialize)]
struct NoName;

#[derive(Query, Serialize, Deserialize)]
#[query("inventory.stock-level")]
struct NoOutput;

fn main() {}
