//! Backends are terminated at random.

use std::time::{Duration, Instant};

use sqlx::Row as _;

use super::{campaign, fleet, rough};
use crate::harness::fleet::Fleet;
use crate::harness::postgres::Client;

#[test]
fn connections_are_ended_by_the_server_and_everybody_goes_on() {
    let Some(mut fleet) = fleet("backends terminated at random", rough()) else { return };
    let mut client = Client::new(fleet.database.url());
    campaign(&mut fleet, |fleet| terminate(fleet, &mut client));
    let hits = &fleet.tally.hits;
    assert!(hits.contains_key("backends in a transaction"), "none was in the middle of something");
}

/// One after the other, or many at once, for half a second.
fn terminate(fleet: &mut Fleet, client: &mut Client) {
    fleet.works_for_a_while();
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        std::thread::sleep(fleet.campaign.up_to(Duration::from_millis(60)));
        let most = if fleet.campaign.random.below(8) == 0 { 100 } else { 3 };
        let count = fleet.campaign.random.below(most) + 1;
        let sql = format!(
            "SELECT state, pg_terminate_backend(pid) FROM (
                SELECT pid, coalesce(state, '') AS state FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                ORDER BY random() LIMIT {count}
            ) victims"
        );
        for row in client.rows(&sql) {
            let what = match row.get::<String, _>(0).as_str() {
                "idle" => "idle backends",
                "active" => "active backends",
                _ => "backends in a transaction",
            };
            fleet.tally.hit(what, 1);
        }
    }
    fleet.all_go_on();
}
