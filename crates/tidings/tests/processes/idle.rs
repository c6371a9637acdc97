//! What a process costs its database that has nothing to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{Job, JobCtx, Module, Queue, Result};

use crate::support::{World, audit, counters, other};

/// Jobs that nobody enqueues, each in a queue of its own.
macro_rules! queues {
    ($($job:ident $name:literal)+) => {
        $(
            #[derive(Debug, Job, Serialize, Deserialize)]
            #[job($name)]
            struct $job {}
        )+

        const QUEUES: usize = [$($name),+].len();

        fn with_queues(module: Module) -> Module {
            module $(.job(Queue::named($name), done::<$job>))+
        }
    };
}

queues! {
    J00 "audit.j00" J01 "audit.j01" J02 "audit.j02" J03 "audit.j03" J04 "audit.j04" J05 "audit.j05" J06 "audit.j06"
    J07 "audit.j07" J08 "audit.j08" J09 "audit.j09" J10 "audit.j10" J11 "audit.j11" J12 "audit.j12" J13 "audit.j13"
    J14 "audit.j14" J15 "audit.j15" J16 "audit.j16" J17 "audit.j17" J18 "audit.j18" J19 "audit.j19"
}

async fn done<J>(_ctx: &mut JobCtx, _job: J) -> Result<()> {
    Ok(())
}

/// Counted by the server, in a database of its own. Neither consumers nor queues cost anything each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn an_idle_process_asks_seldom() {
    let Some(world) = World::with_database().await else { return };
    const LISTENERS: [&str; 10] = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9"];
    let busy = LISTENERS.into_iter().fold(audit(), |module, name| module.on(name, other));
    let app = world.process([counters(), with_queues(busy)], Some(15.0)).await.unwrap();
    // Statistics of a connection that rests come in after ten seconds.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let before = world.transactions().await;
    const SECONDS: u64 = 20;
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let a_second = (world.transactions().await - before) as f64 / SECONDS as f64;
    println!(
        "an idle process with 10 consumers of 4 partitions and {QUEUES} queues: {a_second} transactions a second"
    );
    assert!(a_second < 16.0, "{a_second} transactions a second");
    app.shutdown().await.unwrap();
    world.drop_database().await;
}
