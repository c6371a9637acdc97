//! The network between one process and the server is cut, and healed later.

use std::time::Duration;

use super::{any, campaign, fleet, rough, take_from};
use crate::harness::fleet::Fleet;
use crate::harness::proxy::Network;

#[test]
fn a_process_whose_connections_are_reset_loses_what_it_has_and_comes_back() {
    cut_and_heal("connections reset", Network::Reset);
}

#[test]
fn a_process_whose_packets_vanish_loses_what_it_has_and_comes_back() {
    cut_and_heal("packets vanish", Network::Silent);
}

fn cut_and_heal(name: &'static str, network: Network) {
    let Some(fleet) = fleet(name, rough()) else { return };
    let mut fleet = fleet.with_networks();
    campaign(&mut fleet, |fleet| cut(fleet, network));
    assert!(fleet.tally.partitions > 0, "nobody who was cut off had anything");
}

/// For a moment, or until others have taken over, and longer.
fn cut(fleet: &mut Fleet, network: Network) {
    fleet.works_for_a_while();
    let place = any(fleet);
    if fleet.campaign.random.below(4) == 0 {
        fleet.network(place).set(network);
        fleet.tally.hit("short cuts", 1);
        std::thread::sleep(fleet.campaign.up_to(Duration::from_millis(400)));
    } else {
        // One that has just come back has nothing to lose for a moment.
        fleet.await_partition(place);
        take_from(fleet, place, |fleet| fleet.network(place).set(network));
        fleet.tally.hit("long cuts", 1);
        let longest = if fleet.campaign.random.below(3) == 0 { 2000 } else { 100 };
        std::thread::sleep(fleet.campaign.up_to(Duration::from_millis(longest)));
    }
    fleet.network(place).set(Network::Whole);
    fleet.all_go_on();
}
