//! The ways that orders go, from outside.

use serde_json::{Value, json};

use crate::server::Server;

pub(crate) const CUSTOMER: &str = "018f3b52-8d4e-7c2a-9a57-3f6f0d3c1b2b";

pub(crate) fn address() -> Value {
    json!({ "name": "Ada", "street": "Lindenstr. 1", "city": "Berlin", "country": "DE" })
}

pub(crate) fn order(sku: &str, quantity: u32) -> String {
    let lines = json!([{ "sku": sku, "quantity": quantity }]);
    json!({ "customer_id": CUSTOMER, "ship_to": address(), "lines": lines }).to_string()
}

/// Places an order of one piece, and returns what to ask about it with.
pub(crate) fn place(server: &Server, sku: &str) -> String {
    let placed = server.command("orders.place", &order(sku, 1)).ok();
    json!({ "order_id": placed["order_id"] }).to_string()
}

pub(crate) fn reaches(server: &Server, order: &str, state: &str) -> Value {
    server.wait_for("orders.status", order, |status| status["state"] == state)
}

pub(crate) fn restock(server: &Server, sku: &str, quantity: u32) -> Value {
    server.command("inventory.restock", &json!({ "sku": sku, "quantity": quantity }).to_string()).ok()
}

fn register(server: &Server, email: &str) {
    let customer = json!({ "customer_id": CUSTOMER, "email": email }).to_string();
    server.command("customers.register", &customer).ok();
}

fn mails(kinds: &[(&str, &str)]) -> impl Fn(&Value) -> bool {
    let expected: Vec<_> =
        kinds.iter().map(|(kind, status)| json!({ "kind": kind, "status": status, "mails": 1 })).collect();
    move |mails| *mails == Value::Array(expected.clone())
}

#[test]
fn an_order_waits_for_its_goods_and_gets_to_its_customer() {
    let server = Server::start();
    register(&server, "ada@customers.example");
    let waiting = place(&server, "mug");
    reaches(&server, &waiting, "OnBackorder");
    let stock = restock(&server, "mug", 2);
    assert_eq!(stock, json!({ "sku": "mug", "on_hand": 2, "reserved": 0 }));
    reaches(&server, &waiting, "Completed");
    let query = "/queries/inventory.stock-level?json=%7B%22sku%22:%22mug%22%7D";
    let stock = server.send("GET", query, "", &[]).ok();
    assert_eq!(stock, json!({ "sku": "mug", "on_hand": 1, "reserved": 0 }));
    assert_eq!(server.command("orders.cancel", &waiting).problem(), (422, "already_paid"));

    server.wait_for("notifications.mails", "{}", mails(&[("placed", "sent"), ("shipped", "sent")]));
    let ledger = server.ledger();
    assert_eq!(
        (&ledger["charges"], &ledger["charged_cents"], &ledger["mails"]),
        (&json!(1), &json!(950), &json!(2))
    );
    let days = server.wait_for("analytics.days", "{}", |days| days[0]["shipped"] == 1);
    assert_eq!((&days[0]["placed"], &days[0]["cents"]), (&json!(1), &json!(950)));
    let day = json!({ "day": days[0]["day"] }).to_string();
    server.command("analytics.make-report", &day).ok();
    server.wait_for("analytics.reports", "{}", |reports| *reports == days);
    assert_eq!(
        server.command("analytics.make-report", r#"{"day": "9999-12-30"}"#).problem(),
        (422, "too_early")
    );
}

/// What is personal is where it belongs, and travels nowhere else.
#[cfg(unix)]
#[test]
fn an_address_is_in_no_event_and_in_no_job() {
    let server = Server::start();
    register(&server, "ada@customers.example");
    restock(&server, "mug", 1);
    reaches(&server, &place(&server, "mug"), "Completed");
    server.wait_for("notifications.mails", "{}", mails(&[("placed", "sent"), ("shipped", "sent")]));
    server.stop_and(|file| {
        let database = rusqlite::Connection::open(file).unwrap();
        let rows_with = |text: &str, table: &str, column: &str| -> u32 {
            let count = format!("SELECT COUNT(*) FROM {table} WHERE {column} LIKE '%{text}%'");
            database.query_row(&count, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(rows_with("Lindenstr", "orders", "ship_to_street"), 1);
        for (table, column) in [
            ("tidings_log", "data"),
            ("tidings_jobs", "data"),
            ("tidings_outcomes", "body"),
            ("shipments", "service"),
        ] {
            assert_eq!(rows_with("Lindenstr", table, column), 0, "{table}");
        }
        // The e-mail address is in the one event that carries it on purpose, and in the mails that were to be sent.
        assert_eq!(rows_with("ada@", "tidings_log", "data"), 1);
        assert_eq!(rows_with("ada@", "tidings_log", "name = 'customers.contact-changed' AND data"), 1);
        assert_eq!(rows_with("ada@", "tidings_jobs", "name = 'notifications.send-mail' AND data"), 2);
    });
}

#[test]
fn an_order_that_cannot_be_paid_is_cancelled() {
    let server = Server::start();
    register(&server, "ada@customers.example");
    let dear = place(&server, "espresso-machine");
    reaches(&server, &dear, "Cancelled");
    server.command("orders.cancel", &dear).ok();
    assert_eq!(server.query("payments.by-status", "{}")[0]["status"], "declined");
    server.wait_for("notifications.mails", "{}", mails(&[("declined", "sent"), ("placed", "sent")]));
    let ledger = server.ledger();
    assert_eq!((&ledger["charges"], &ledger["declined"]), (&json!(0), &json!(1)));
}

#[test]
fn a_mail_waits_until_it_is_known_where_to() {
    let server = Server::start();
    place(&server, "mug");
    server.wait_for("notifications.mails", "{}", mails(&[("placed", "waiting")]));
    for slip in ["", "ada", "ada@x\r\nBcc: eve@y"] {
        let customer = json!({ "customer_id": CUSTOMER, "email": slip }).to_string();
        assert_eq!(server.command("customers.register", &customer).problem(), (422, "bad_email"));
    }
    register(&server, "ada@customers.example");
    server.wait_for("notifications.mails", "{}", mails(&[("placed", "sent")]));
    assert_eq!(server.bookings("mail")[0]["request"]["to"], "ada@customers.example");
}

/// The charge is under way when the customer cancels: whichever the provider sees first, it keeps no money.
#[test]
fn who_cancels_while_paying_gets_the_money_back() {
    let server = Server::start_with(&["--faults", "slow=100,slow-ms=150"]);
    let order = place(&server, "mug");
    reaches(&server, &order, "AwaitingPayment");
    server.command("orders.cancel", &order).ok();
    let ledger = server.wait_for_ledger(|ledger| ledger["refunds"] == 1);
    assert_eq!(ledger["charged_cents"], ledger["refunded_cents"]);
    let refunded = &ledger["refunded_cents"];
    server.wait_for("payments.by-status", "{}", |payments| {
        payments[0]["status"] == "voided" && payments[0]["refunded_cents"] == *refunded
    });
    assert_eq!(reaches(&server, &order, "Cancelled")["total_cents"], 950);
}

/// Every answer is lost after the booking, so nobody in the shop knows whether the customer paid. The payment counts as
/// declined, and what was taken is given back, which the shop learns when a person retries the dead job.
#[cfg(unix)]
#[test]
fn a_payment_that_nobody_knows_about_is_given_up_and_given_back() {
    let server = Server::start_with(&["--faults", "lost=100"]);
    let order = place(&server, "mug");
    reaches(&server, &order, "Cancelled");
    let ledger = server.wait_for_ledger(|ledger| ledger["refunds"] == 1);
    assert_eq!((&ledger["charged_cents"], &ledger["refunded_cents"]), (&json!(950), &json!(950)));
    // Three attempts of the charge, three of the refund: one booking each.
    server.wait_for_ledger(|ledger| ledger["repeats"] == 4);
    assert_eq!(server.query("payments.by-status", "{}")[0]["refunded_cents"], 0);
    let server = server.stop_and(|file| {
        let listed = crate::demo::dead_letters(file, &[]);
        for job in ["payments.charge", "payments.refund"] {
            let expected = format!(
                "job {job} of no key\n  in queue `payments`, exhausted after 3 attempts: the provider did not answer"
            );
            assert!(listed.contains(&expected), "{listed}");
        }
        let retried = crate::demo::dead_letters(file, &["--retry"]);
        assert_eq!(retried.matches("will be tried again").count(), 2, "{retried}");
    });
    server.wait_for("payments.by-status", "{}", |payments| payments[0]["refunded_cents"] == 950);
    assert_eq!(server.query("payments.by-status", "{}")[0]["status"], "declined");
    assert_eq!((server.bookings("charge").len(), server.bookings("refund").len()), (1, 1));
    reaches(&server, &order, "Cancelled");
}

/// A crash while charges, mails and shipments are under way.
#[test]
fn a_shop_that_is_killed_charges_nobody_twice() {
    let slow = ["--faults", "slow=100,slow-ms=60"];
    let server = Server::start_with(&slow);
    register(&server, "ada@customers.example");
    restock(&server, "mug", 40);
    let orders: Vec<String> = (0..30).map(|_| place(&server, "mug")).collect();
    // Some charges are booked, some are under way, some have not begun.
    server.wait_for_ledger(|ledger| ledger["charges"].as_u64() >= Some(5));
    let server = server.kill_and_start_again(&slow);
    for order in &orders {
        reaches(&server, order, "Completed");
    }
    server.wait_for("notifications.mails", "{}", |mails| {
        *mails
            == json!([{ "kind": "placed", "status": "sent", "mails": 30 },
                         { "kind": "shipped", "status": "sent", "mails": 30 }])
    });
    for (kind, about, count) in [("charge", "order_id", 30), ("mail", "reference", 60)] {
        let bookings = server.bookings(kind);
        let mut about: Vec<_> =
            bookings.iter().map(|booking| booking["request"][about].as_str().unwrap()).collect();
        about.sort_unstable();
        about.dedup();
        assert_eq!((bookings.len(), about.len()), (count, count), "{kind}");
    }
}

/// Misbehaves in every way that there is, and often; the orders arrive all the same.
#[test]
fn a_provider_that_answers_garbage_or_half_a_body_or_not_at_all_is_asked_again() {
    let faults = "busy=10,closed=10,lost=10,garbage=10,half=10,silent=5";
    let retries =
        "[0.01, 0.01, 0.01, 0.02, 0.02, 0.02, 0.05, 0.05, 0.05, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]";
    let server = Server::start_with_retries(retries, &["--faults", faults, "--provider-timeout-ms", "200"]);
    restock(&server, "mug", 20);
    let orders: Vec<String> = (0..20).map(|_| place(&server, "mug")).collect();
    for order in &orders {
        reaches(&server, order, "Completed");
    }
    let ledger = server.ledger();
    assert_eq!((&ledger["charges"], &ledger["refunds"]), (&json!(20), &json!(0)), "{ledger}");
}
