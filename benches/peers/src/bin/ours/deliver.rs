//! Events that are in the log, to listeners that each write a row for each.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tidings_peers_contract::Result;

use crate::application::{self, PublishMany, Role};

const AT_ONCE: u32 = 200;
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) async fn run(url: &str, events: u32, listeners: u32) -> Result<f64> {
    let app = application::start(url, 4, Role::Sends).await?;
    for from in (0..events).step_by(AT_ONCE as usize) {
        app.send(PublishMany { from, to: (from + AT_ONCE).min(events) }).await?;
    }
    app.shutdown().await?;
    let pool = PgPool::connect(url).await?;
    let app = application::start(url, 16, Role::Copies(i32::try_from(listeners)?)).await?;
    // The consumers start as the last thing that building does.
    let started = Instant::now();
    let all = i64::from(events) * i64::from(listeners);
    while copies(&pool).await? < all {
        if started.elapsed() > PATIENCE {
            return Err(format!("of {all} copies there are {}", copies(&pool).await?).into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = started.elapsed().as_secs_f64();
    app.shutdown().await?;
    Ok(took)
}

async fn copies(pool: &PgPool) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM copies").fetch_one(pool).await?)
}
