//! What goes wrong inside handlers.

use std::fs::File;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tidings::{Error, Result};

use crate::plan::{Order, Plan, Poison};
use crate::random::mix;
use crate::words::{Word, say};

/// What goes wrong in this process. Handlers are plain functions, so there is one for all of them.
pub struct Fate {
    trouble: bool,
    poison: Option<Poison>,
    lethal: Option<Order>,
    freeze: Option<Order>,
    stubborn: bool,
    frost: (Mutex<Frost>, Condvar),
    rolls: AtomicU64,
}

/// How far it has come with the attempt that is to be frozen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Frost {
    ToCome,
    Frozen,
    Thawed,
}

static FATE: OnceLock<Fate> = OnceLock::new();

impl Fate {
    /// Decides what goes wrong, once for the whole process.
    pub fn decide(plan: &Plan) {
        let fate = Self {
            trouble: plan.trouble,
            poison: plan.poison.clone(),
            lethal: plan.lethal.clone(),
            freeze: plan.freeze.clone(),
            stubborn: plan.stubborn,
            frost: (Mutex::new(Frost::ToCome), Condvar::new()),
            rolls: AtomicU64::new(plan.seed),
        };
        // A second decision would be a mistake of the victim's `main`, and changes nothing.
        let _first_one_stands = FATE.set(fate);
    }

    /// Blocks until the attempt that is to be frozen is frozen.
    pub fn wait_for_frost() {
        if let Some(fate) = FATE.get() {
            fate.wait_for(Frost::Frozen);
        }
    }

    fn reach(&self, frost: Frost) {
        *self.frost.0.lock().unwrap_or_else(PoisonError::into_inner) = frost;
        self.frost.1.notify_all();
    }

    fn wait_for(&self, frost: Frost) {
        let now = self.frost.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.frost.1.wait_while(now, |now| *now < frost).unwrap_or_else(PoisonError::into_inner));
    }

    fn freezes(&self, account: &str, seq: i64) -> bool {
        self.freeze.as_ref().is_some_and(|freeze| freeze.is(account, seq))
    }

    fn one_in(&self, n: u64) -> bool {
        mix(self.rolls.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)).is_multiple_of(n)
    }
}

/// Fails now and then: mostly in a way that parks the message, sometimes transiently, sometimes by a panic.
pub(super) fn trouble(one_in: u64) -> Result<()> {
    let Some(fate) = FATE.get().filter(|fate| fate.trouble && fate.one_in(one_in)) else { return Ok(()) };
    if fate.one_in(8) {
        return Err(Error::transient("the weather"));
    }
    assert!(!fate.one_in(8), "a planted panic");
    Err(Error::failed("a planted failure"))
}

/// Ends the process if this is the poisoned event.
pub(super) fn taste(account: &str, seq: i64) -> Result<()> {
    let Some(poison) = FATE.get().and_then(|fate| fate.poison.as_ref()) else { return Ok(()) };
    if poison.account != account || poison.seq != seq {
        return Ok(());
    }
    if let Some(after) = poison.after.as_ref().filter(|after| !after.exists()) {
        File::create(after)?;
        return Err(Error::failed("the first taste is not deadly"));
    }
    std::process::abort()
}

/// Ends the process if this is the lethal charge.
pub(super) fn swallow(account: &str, seq: i64) {
    if FATE.get().and_then(|fate| fate.lethal.as_ref()).is_some_and(|lethal| lethal.is(account, seq)) {
        std::process::abort();
    }
}

/// Freezes the first attempt at this charge, and with it the thread that it runs on, until [`thaw`]; answers whether this
/// was it.
pub(super) fn freeze(account: &str, seq: i64, attempt: u32) -> bool {
    let Some(fate) = FATE.get().filter(|fate| fate.freezes(account, seq) && attempt == 1) else {
        return false;
    };
    say(&Word::Frozen { account: account.to_owned(), seq });
    fate.reach(Frost::Frozen);
    fate.wait_for(Frost::Thawed);
    true
}

/// Goes on as a handler does that blocks its thread: whoever would drop it cannot, so that nothing but the lease keeps it
/// from finishing.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Whether this charge is one that nobody can call off while it finishes.
pub(super) fn is_stubborn() -> bool {
    FATE.get().is_some_and(|fate| fate.stubborn && fate.one_in(2))
}

/// Finishes like one that blocks its thread, on a runtime whose other threads go on.
pub(super) fn insist_on<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// Lets the frozen attempt at this charge go on.
pub(super) fn thaw(account: &str, seq: i64) {
    if let Some(fate) = FATE.get().filter(|fate| fate.freezes(account, seq)) {
        fate.reach(Frost::Thawed);
    }
}
