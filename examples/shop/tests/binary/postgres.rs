//! The same shop on PostgreSQL, which other processes may share.

use std::process::{Command, Output};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::{shop, text, told};

/// A schema of its own in the database for tests; it is dropped by the next demo that takes it.
struct Place {
    url: String,
    schema: &'static str,
}

impl Place {
    fn new(schema: &'static str) -> Self {
        let url = std::env::var("TIDINGS_TEST_POSTGRES_URL")
            .expect("TIDINGS_TEST_POSTGRES_URL names a database for tests");
        Self { url, schema }
    }

    fn on(&self, mut command: Command) -> Command {
        command.args(["--store", &self.url, "--schema", self.schema]);
        command
    }

    fn demo(&self, more: &[&str]) -> Output {
        let mut demo = shop();
        demo.args(["demo", "--orders", "60", "--settle-seconds", "240"]);
        self.on(demo).args(more).output().unwrap()
    }
}

fn totals(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
    let told = text(&output.stdout);
    let totals = told.split_once("\nTotals\n").and_then(|(_, rest)| rest.split_once("\n\n"));
    totals.unwrap_or_else(|| panic!("no totals in\n{told}")).0.to_owned()
}

fn totals_on_sqlite() -> String {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    totals(&shop().args(["demo", "--orders", "60", "--store"]).arg(file).output().unwrap())
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_demo_comes_to_the_same_on_both_stores() {
    let place = Place::new("shop_test_one");
    assert_eq!(totals(&place.demo(&["--force"])), totals_on_sqlite());
    its_database_can_be_worked_on(&place);
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_demo_comes_to_the_same_with_three_processes() {
    let place = Place::new("shop_test_three");
    assert_eq!(totals(&place.demo(&["--force", "--processes", "3"])), totals_on_sqlite());
}

/// What the demo left is still there for another process, and is replaced only when asked.
fn its_database_can_be_worked_on(place: &Place) {
    let again = place.demo(&[]);
    assert_eq!(again.status.code(), Some(1), "it must not be overwritten unasked: {}", told(&again));
    assert!(told(&again).contains("`--force` replaces it, `--schema` takes another"), "{}", told(&again));

    let folder = tempfile::tempdir().unwrap();
    let letters = |more: &[&str]| {
        let mut letters = shop();
        letters.arg("dead-letters").arg("--ledger").arg(folder.path().join("ledger.jsonl"));
        let output = place.on(letters).args(more).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
        text(&output.stdout)
    };
    let listed = letters(&[]);
    assert!(listed.contains("behind it waits orders.cancelled"), "{listed}");
    assert_eq!(listed.matches("job notifications.send-mail of order_id:").count(), 2, "{listed}");
    let discarded = letters(&["--discard", "samples are free"]);
    assert!(discarded.contains("what waited behind them has been handled"), "{discarded}");
    assert_eq!(letters(&[]), "no dead letters\n");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_is_not_of_a_shop_is_left_alone() {
    let place = Place::new("shop_test_other");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&place.url).await.unwrap();
        sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS shop_test_other").execute(&mut connection).await.unwrap();
    });
    for more in [&[][..], &["--force"]] {
        let output = place.demo(more);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(told(&output).contains("is there already, and not of a shop"), "{}", told(&output));
    }
    let nowhere = Place::new("shop_test_nowhere");
    let mut letters = shop();
    letters.arg("dead-letters");
    let output = nowhere.on(letters).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("there is no shop in schema `shop_test_nowhere`"), "{}", told(&output));
}

#[test]
fn several_processes_cannot_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    for arguments in [
        &["demo", "--processes", "3", "--store"][..],
        &["work", "--provider", "http://127.0.0.1:1", "--store"],
    ] {
        let output = shop().args(arguments).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(told(&output).contains("PostgreSQL with --store"), "{}", told(&output));
        assert!(!file.exists());
    }
}

#[test]
fn a_password_is_not_told() {
    let url = "postgres://shop:s3cret@127.0.0.1:1/shop";
    for task in ["demo", "dead-letters"] {
        let output = shop().args([task, "--store", url]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        assert!(
            !told(&output).contains("s3cret") && told(&output).contains("shop:***@"),
            "{}",
            told(&output)
        );
    }
}
