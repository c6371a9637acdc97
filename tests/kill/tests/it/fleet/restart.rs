//! The server is stopped at once, and started again.

use std::time::Duration;

use super::{campaign, rough};
use crate::harness::fleet::Fleet;
use crate::harness::postgres::Server;
use crate::kill::seed;

#[test]
fn the_server_is_restarted_and_everybody_goes_on() {
    let Some(server) = Server::start() else { return };
    let mut fleet = Fleet::new("immediate restarts of the server", &server.url(), rough(), seed());
    campaign(&mut fleet, |fleet| restart(fleet, &server));
}

fn restart(fleet: &mut Fleet, server: &Server) {
    fleet.works_for_a_while();
    server.stop_at_once();
    fleet.tally.hit("immediate shutdowns", 1);
    // For less than a lease, or for longer.
    let longest = if fleet.campaign.random.below(2) == 0 { 300 } else { 2500 };
    std::thread::sleep(fleet.campaign.up_to(Duration::from_millis(longest)));
    server.start_again();
    fleet.all_go_on();
}
