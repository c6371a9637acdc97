//! `kill -9`, of one process and of all.

use std::time::Duration;

use tidings_kill_tests::words::Word;

use super::{any, campaign, fleet, rough, take_from};
use crate::harness::campaign::WORK_COMES;
use crate::harness::fleet::{Fleet, PROCESSES};
use crate::harness::provider::Stage;

#[test]
fn one_of_three_is_killed_and_the_others_take_over() {
    let Some(mut fleet) = fleet("kill -9 of one of three", rough()) else { return };
    campaign(&mut fleet, kill_one);
    assert!(fleet.tally.partitions > 0, "nobody who was killed had anything");
}

/// Under load, or as soon as something is told to be done, or while the provider has a request.
pub(super) fn kill_one(fleet: &mut Fleet) {
    fleet.works_for_a_while();
    match fleet.campaign.random.below(4) {
        0 => {
            let place = any(fleet);
            if fleet.victim(place).hears_next_within(WORK_COMES, |word| matches!(word, Word::Charged { .. }))
            {
                fleet.figures_mut().as_told += 1;
            }
            take_from(fleet, place, |fleet| fleet.kill(place));
        }
        1 => {
            let stage = match fleet.campaign.random.below(2) {
                0 => Stage::BeforeBooking,
                _ => Stage::AfterBooking,
            };
            let trap = fleet.campaign.provider.hold_next(stage);
            let caught = trap.catches_within(WORK_COMES).and_then(|process| fleet.place_of(process));
            if caught.is_some() {
                fleet.figures_mut().while_answering += 1;
            }
            let place = caught.unwrap_or_else(|| any(fleet));
            take_from(fleet, place, |fleet| {
                fleet.kill(place);
                // Only when its caller is dead the provider goes on.
                drop(trap);
            });
        }
        _ => {
            let place = any(fleet);
            take_from(fleet, place, |fleet| fleet.kill(place));
        }
    }
    fleet.start();
    fleet.all_go_on();
}

#[test]
fn all_are_killed_and_start_again() {
    let Some(mut fleet) = fleet("kill -9 of all", rough()) else { return };
    campaign(&mut fleet, kill_all);
}

/// Under load, or some of them while they start.
fn kill_all(fleet: &mut Fleet) {
    fleet.works_for_a_while();
    fleet.kill_all();
    if fleet.campaign.random.below(3) == 0 {
        for place in 0..PROCESSES {
            fleet.launch(place);
        }
        std::thread::sleep(fleet.campaign.up_to(Duration::from_millis(200)));
        fleet.kill_all();
    }
    fleet.start();
    fleet.all_go_on();
}
