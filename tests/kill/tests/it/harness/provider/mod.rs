//! The provider: what jobs have effects on. It outlives the victims, and keeps a ledger of its own.

mod faults;
mod ledger;
mod serve;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub(crate) use faults::Faults;
pub(crate) use ledger::{Booking, Ledger};
use serve::Desk;
pub(crate) use serve::Stage;

pub(crate) struct Provider {
    address: SocketAddr,
    desk: Arc<Desk>,
    /// Ends with the provider.
    _runtime: Runtime,
}

/// The next request is held at a stage, so that its caller can be killed there.
pub(crate) struct Trap {
    caught: Receiver<u32>,
    let_go: Option<oneshot::Sender<()>>,
}

impl Trap {
    /// Waits for the next request, and tells which process it is of; nothing if none comes in time.
    pub(crate) fn catches_within(&self, time: Duration) -> Option<u32> {
        self.caught.recv_timeout(time).ok()
    }
}

impl Drop for Trap {
    /// The provider goes on with the request, which its caller may not live to see.
    fn drop(&mut self) {
        if let Some(let_go) = self.let_go.take() {
            // Nothing was caught.
            let _nobody_waits = let_go.send(());
        }
    }
}

impl Provider {
    /// Opens with an empty ledger, a file in this folder.
    pub(crate) fn open(folder: &Path, faults: Faults, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("provider")
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let desk = Arc::new(Desk::new(Ledger::open(&folder.join("ledger.jsonl")), faults, seed));
        let address = runtime.block_on(serve::listen(desk.clone())).expect("there is a free port");
        Self { address, desk, _runtime: runtime }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds the next request at a stage, until the trap is dropped.
    pub(crate) fn hold_next(&self, stage: Stage) -> Trap {
        let (let_go, go) = oneshot::channel();
        let (tell, caught) = std::sync::mpsc::channel();
        self.desk.set_trap(stage, tell, go);
        Trap { caught, let_go: Some(let_go) }
    }

    /// What was booked so far.
    pub(crate) fn ledger(&self) -> Ledger {
        self.desk.ledger()
    }
}
