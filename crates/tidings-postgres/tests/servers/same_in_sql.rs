//! What the model has proved of `src/cursor.rs` holds for the store only if SQL computes the same.

use sqlx::{Connection as _, PgConnection, Row as _};
use tidings_core::envelope::Cursor;
use tidings_testkit::random::Random;

use crate::cursor::Window;
use crate::log::open;
use crate::server::{Programs, Server};

fn random_snapshot(random: &mut Random) -> String {
    let xmin = 3 + random.below(12);
    let xmax = xmin + random.below(8);
    let running: Vec<_> =
        (xmin..xmax).filter(|xid| *xid == xmin || random.chance(40)).map(|xid| xid.to_string()).collect();
    format!("{xmin}:{xmax}:{}", running.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_has_passed_the_same_rows_in_sql() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start(&programs);
    let url = server.database("same").await;
    let _store = open(&url).await;
    let mut connection = PgConnection::connect(&url).await.expect("the server is there");
    let mut random = Random::new(Random::seed(5));
    for _ in 0..400 {
        let (lo, hi) = (random_snapshot(&mut random), random_snapshot(&mut random));
        let text = format!("{lo}~{hi}~{}~{}", random.below(6), random.below(6));
        let window =
            Window::parse(&Cursor(text.clone())).and_then(|window| window.parsed()).expect("it is a cursor");
        assert_eq!(window.to_string(), text, "a cursor is written as it was read");
        let sql = "SELECT xid, position, tidings_passed($1, xid::text::xid8, position) AS passed,
                          pg_visible_in_snapshot(xid::text::xid8, split_part($1, '~', 2)::pg_snapshot) AS sees
                   FROM generate_series(1, 25) xid, generate_series(1::bigint, 7) position";
        let rows = sqlx::query(sql).bind(&text).fetch_all(&mut connection).await.expect("a query runs");
        for row in rows {
            let (xid, position): (i32, i64) = (row.get("xid"), row.get("position"));
            let (passed, sees): (bool, bool) = (row.get("passed"), row.get("sees"));
            let xid = u64::from(xid.unsigned_abs());
            assert_eq!(window.has_passed(xid, position), passed, "{text} and row {position} of {xid}");
            assert_eq!(window.hi.sees(xid), sees, "{hi} and transaction {xid}");
        }
    }
}
