//! What goes wrong at the provider and on the way.

use tidings_kill_tests::random::Random;

/// How often which of them happens, of a thousand requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// 503, and nothing is booked.
    pub(crate) unavailable: u64,
    /// The connection ends before anything is booked.
    pub(crate) dropped: u64,
    /// It is booked, and the connection ends without an answer.
    pub(crate) lost: u64,
    /// It takes a while, before the booking or after it.
    pub(crate) slow: u64,
    /// It is booked, and the answer is nonsense.
    pub(crate) garbage: u64,
    /// It is booked, and the answer ends in the middle.
    pub(crate) half: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Unavailable,
    Dropped,
    Lost,
    SlowBefore,
    SlowAfter,
    Garbage,
    Half,
}

impl Faults {
    /// A provider as one meets them on a bad day.
    pub(crate) const BAD_DAY: Self =
        Self { unavailable: 25, dropped: 15, lost: 25, slow: 40, garbage: 10, half: 10 };

    pub(super) fn draw(&self, random: &mut Random) -> Fault {
        let faults = [
            (self.unavailable, Fault::Unavailable),
            (self.dropped, Fault::Dropped),
            (self.lost, Fault::Lost),
            (self.slow / 2, Fault::SlowBefore),
            (self.slow - self.slow / 2, Fault::SlowAfter),
            (self.garbage, Fault::Garbage),
            (self.half, Fault::Half),
        ];
        let mut draw = random.below(1000);
        for (rate, fault) in faults {
            if draw < rate {
                return fault;
            }
            draw -= rate;
        }
        Fault::None
    }
}
