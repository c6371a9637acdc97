//! A process is frozen past its lease, and thawed.

use std::time::Duration;

use super::{any, campaign, fleet, rough, take_from};
use crate::harness::campaign::WORK_COMES;
use crate::harness::fleet::Fleet;
use crate::harness::provider::Stage;

#[test]
fn a_frozen_process_loses_what_it_has_and_cannot_commit() {
    let Some(mut fleet) = fleet("a process frozen past its lease", rough()) else { return };
    campaign(&mut fleet, freeze);
    assert!(fleet.tally.partitions > 0, "nobody who was frozen had anything");
}

/// At any moment, or while it charges: then the provider answers when it is thawed, and it tries to finish.
pub(super) fn freeze(fleet: &mut Fleet) {
    fleet.works_for_a_while();
    let trap =
        (fleet.campaign.random.below(2) == 0).then(|| fleet.campaign.provider.hold_next(Stage::AfterBooking));
    let caught = trap.as_ref().and_then(|trap| trap.catches_within(WORK_COMES));
    let caught = caught.and_then(|process| fleet.place_of(process));
    if caught.is_some() {
        fleet.figures_mut().while_answering += 1;
    }
    let place = caught.unwrap_or_else(|| any(fleet));
    take_from(fleet, place, |fleet| fleet.victim(place).signal("STOP"));
    fleet.tally.hit("processes frozen", 1);
    let longest = if fleet.campaign.random.below(3) == 0 { 2000 } else { 100 };
    std::thread::sleep(fleet.campaign.up_to(Duration::from_millis(longest)));
    drop(trap);
    fleet.victim(place).signal("CONT");
    fleet.all_go_on();
}
