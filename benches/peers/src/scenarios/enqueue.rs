//! An order and a job (or an event) in one transaction, by callers that call as fast as they are answered.

use tidings_peers_contract::Result;

use super::Bench;
use crate::figure::{Better, Measured};
use crate::program::Counted;

const CALLERS: [u32; 3] = [1, 8, 32];

pub(super) async fn run(bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
    for callers in CALLERS {
        let mut database = bench.server.fresh(bench.ready).await?;
        let values = [
            ("url", database.url.clone()),
            ("callers", callers.to_string()),
            ("seconds", bench.sizes.seconds.to_string()),
        ];
        let counted: Counted = bench.ready.answer("enqueue", &values).await?;
        let orders = database.rows("orders").await?;
        database.close().await?;
        if (orders as f64) < counted.count {
            return Err(format!("says {} transactions, and there are {orders} orders", counted.count).into());
        }
        figures.push(Measured {
            figure: format!(
                "order and job in one transaction, {callers} caller{}",
                if callers == 1 { "" } else { "s" }
            ),
            unit: "tx/s",
            better: Better::More,
            value: counted.count / counted.seconds,
        });
    }
    Ok(())
}
