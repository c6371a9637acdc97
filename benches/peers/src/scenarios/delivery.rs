//! Events to listeners that each write a row for each.

use tidings_peers_contract::Result;

use super::Bench;
use crate::figure::{Better, Measured};
use crate::program::Counted;

const LISTENERS: [u32; 2] = [1, 5];

pub(super) async fn run(bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
    let events = bench.sizes.jobs.min(bench.ready.program.at_most);
    for listeners in LISTENERS {
        let mut database = bench.server.fresh(bench.ready).await?;
        let values =
            [("url", database.url.clone()), ("n", events.to_string()), ("listeners", listeners.to_string())];
        let counted: Counted = bench.ready.answer("deliver", &values).await?;
        let copies = database.rows("copies").await?;
        database.close().await?;
        if copies as f64 != counted.count {
            return Err(format!("says {} deliveries, and there are {copies} copies", counted.count).into());
        }
        figures.push(Measured {
            figure: format!(
                "delivery of {} events to {listeners} listener{}",
                bench.sizes.jobs,
                if listeners == 1 { "" } else { "s" }
            ),
            unit: "handled/s",
            better: Better::More,
            value: counted.count / counted.seconds,
        });
    }
    Ok(())
}
