//! What goes wrong inside handlers.

use std::fs::File;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tidings::{Error, Result};

use crate::plan::Poison;
use crate::random::mix;

/// What goes wrong in this process. Handlers are plain functions, so there is one for all of them.
pub struct Fate {
    trouble: bool,
    poison: Option<Poison>,
    rolls: AtomicU64,
}

static FATE: OnceLock<Fate> = OnceLock::new();

impl Fate {
    /// Decides what goes wrong, once for the whole process.
    pub fn decide(trouble: bool, poison: Option<Poison>, seed: u64) {
        // A second decision would be a mistake of the victim's `main`, and changes nothing.
        let _first_one_stands = FATE.set(Self { trouble, poison, rolls: AtomicU64::new(seed) });
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
