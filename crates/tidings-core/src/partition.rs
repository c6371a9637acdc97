//! Parts of the log: how a consumer's messages are split between processes.
//!
//! Each message has a *slot*, a number from 0 to 63 that is computed from its key when it is appended. A consumer has a
//! fixed number of *partitions*; a message is in the partition `slot % partitions`. So all messages of one key are in one
//! partition, and are handled in order by whoever holds it; messages without a key are spread by their ids.
//!
//! Who holds which partition is decided by nobody in particular: every process computes the same [`shares`] from the same
//! list of who is alive.
//!
//! All of this is stored or has to be equal in processes of different versions. Nothing here may ever change.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::envelope::Envelope;
use crate::store::WorkerId;

/// How many slots there are, and so how many partitions a consumer can have.
pub const SLOTS: u16 = 64;

/// One partition of a number of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// Which, counted from 0.
    pub index: u16,
    /// How many there are, at least 1.
    pub of: u16,
}

impl Part {
    /// All messages.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The partition of so many that a slot is in.
    #[must_use]
    pub fn of_slot(slot: u8, of: u16) -> Self {
        let of = of.max(1);
        Self { index: u16::from(slot) % of, of }
    }

    /// Whether this is all there is.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.of <= 1
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn contains(self, slot: u8) -> bool {
        Self::of_slot(slot, self.of).index == self.index
    }

    /// All partitions of so many.
    pub fn all(of: u16) -> impl Iterator<Item = Self> {
        let of = of.max(1);
        (0..of).map(move |index| Self { index, of })
    }
}

/// The slot of a message: by its key, or by its id where it has none.
#[must_use]
pub fn slot(message: &Envelope) -> u8 {
    let hash = match &message.key {
        Some(key) => fnv1a(key.as_str().as_bytes()),
        None => fnv1a(message.id.0.as_bytes()),
    };
    fold(hash)
}

/// Tells sets of names apart: what a consumer reads, in any order.
#[must_use]
pub fn generation(names: &[Arc<str>]) -> i64 {
    let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
    names.sort_unstable();
    names.dedup();
    fnv1a(names.join("\n").as_bytes()).cast_signed()
}

/// Who should hold which of a consumer's partitions, of those who can: the highest weight first (rendezvous hashing), but
/// nobody more or less than his share, rounded. Workers who come and go so move few partitions that they have nothing to do
/// with.
#[must_use]
pub fn shares(consumer: &str, partitions: u16, workers: &[WorkerId]) -> BTreeMap<u16, WorkerId> {
    let mut wishes: Vec<(u64, WorkerId, u16)> = Vec::new();
    for worker in workers {
        wishes.extend((0..partitions).map(|index| (weight(*worker, consumer, index), *worker, index)));
    }
    wishes.sort_unstable_by(|a, b| b.cmp(a));
    let (partitions, count) = (usize::from(partitions), workers.len().max(1));
    let (share, mut left_over) = (partitions / count, partitions % count);
    let (mut owners, mut loads) = (BTreeMap::new(), BTreeMap::<WorkerId, usize>::new());
    for (_, worker, index) in wishes {
        let load = loads.entry(worker).or_default();
        // As many may have one more as it takes to leave none over.
        let takes_one_more = *load == share && left_over > 0;
        if (*load < share || takes_one_more) && !owners.contains_key(&index) {
            owners.insert(index, worker);
            *load += 1;
            left_over -= usize::from(takes_one_more);
        }
    }
    owners
}

fn weight(worker: WorkerId, consumer: &str, partition: u16) -> u64 {
    let bytes = [&worker.0.to_be_bytes(), consumer.as_bytes(), &partition.to_be_bytes()[..]].concat();
    // The last bytes hardly reach the upper bits of the hash, which decide here.
    mixed(fnv1a(&bytes))
}

/// [FNV-1a](http://www.isthe.com/chongo/tech/comp/fnv/), 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Folds all bits into the lowest six.
fn fold(hash: u64) -> u8 {
    let folded = (0..64).step_by(6).fold(0, |folded, shift| folded ^ (hash >> shift));
    (folded & 0x3f) as u8
}

/// The finaliser of [MurmurHash3](https://github.com/aappleby/smhasher): each bit of the input reaches each of the output.
const fn mixed(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots are stored: a hash that changes puts messages of one key into two partitions.
    #[test]
    fn hashes_are_for_ever() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(
            ["order:1", "order:2", "order:3", ""].map(|key| fold(fnv1a(key.as_bytes()))),
            SLOTS_OF_KEYS
        );
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        assert_eq!(generation(&names(&["a", "b"])), generation(&names(&["b", "a", "b"])));
        assert_ne!(generation(&names(&["a", "b"])), generation(&names(&["ab"])));
        assert_eq!(generation(&names(&["orders.placed"])), GENERATION);
        assert_eq!(weight(WorkerId(7), "shop.l", 3), WEIGHT);
    }

    const SLOTS_OF_KEYS: [u8; 4] = [54, 7, 28, 45];
    const GENERATION: i64 = 5_305_245_308_307_326_039;
    const WEIGHT: u64 = 11_969_254_834_688_056_017;

    #[test]
    fn slots_are_spread_evenly() {
        let mut counts = [0_u32; SLOTS as usize];
        for order in 0..64_000 {
            counts[usize::from(fold(fnv1a(format!("order:{order}").as_bytes())))] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least > 800 && *most < 1_200, "between {least} and {most} of 1,000");
    }

    #[test]
    fn shares_are_fair_and_total() {
        let workers: Vec<_> = (1..=7).map(|worker| WorkerId(worker * 7_919)).collect();
        for partitions in [1, 2, 4, 7, 64] {
            for count in 1..=workers.len() {
                let owners = shares("shop.l", partitions, &workers[..count]);
                assert_eq!(owners.len(), usize::from(partitions), "each partition has an owner");
                let share = |worker| owners.values().filter(|owner| *owner == worker).count();
                let all: Vec<_> = workers[..count].iter().map(share).collect();
                assert!(all.iter().max().unwrap() - all.iter().min().unwrap() <= 1, "{all:?}");
                let mut turned = workers[..count].to_vec();
                turned.reverse();
                assert_eq!(shares("shop.l", partitions, &turned), owners, "everybody computes the same");
            }
        }
        assert!(shares("shop.l", 4, &[]).is_empty());
    }

    #[test]
    fn few_partitions_move_when_somebody_comes() {
        let workers: Vec<_> = (1..=4).map(|worker| WorkerId(worker * 104_729)).collect();
        let (before, after) = (shares("shop.l", 64, &workers[..3]), shares("shop.l", 64, &workers));
        let moved = before.iter().filter(|(index, owner)| after.get(index) != Some(owner)).count();
        assert!(moved <= 32, "{moved} of 64 partitions moved for a share of 16");
    }

    #[test]
    fn a_part_contains_its_slots() {
        for of in [1, 3, 4, 64] {
            for slot in 0..64 {
                assert_eq!(Part::all(of).filter(|part| part.contains(slot)).count(), 1);
            }
        }
    }
}
