//! The HTTP edge: what it does, and what it refuses.

use serde_json::{Value, json};

use crate::server::Server;

const CUSTOMER: &str = "018f3b52-8d4e-7c2a-9a57-3f6f0d3c1b2b";
/// `commands.body_bytes_max`.
const BODY_BYTES_MAX: usize = 262_144;

fn order(sku: &str, quantity: u32) -> String {
    json!({ "customer_id": CUSTOMER, "lines": [{ "sku": sku, "quantity": quantity }] }).to_string()
}

fn placed(server: &Server, sku: &str) -> String {
    let placed = server.command("orders.place", &order(sku, 1)).ok();
    json!({ "order_id": placed["order_id"] }).to_string()
}

fn reaches(server: &Server, order: &str, state: &str) -> Value {
    server.wait_for("orders.status", order, |status| status["state"] == state)
}

fn orders_on_record(server: &Server) -> u64 {
    let counts = server.query("orders.by-state", "{}");
    counts.as_array().unwrap().iter().map(|count| count["orders"].as_u64().unwrap()).sum()
}

#[test]
fn an_order_waits_for_its_goods_and_gets_them() {
    let server = Server::start();
    let waiting = placed(&server, "mug");
    reaches(&server, &waiting, "OnBackorder");
    let stock = server.command("inventory.restock", r#"{"sku": "mug", "quantity": 2}"#).ok();
    assert_eq!(stock, json!({ "sku": "mug", "on_hand": 2, "reserved": 0 }));
    reaches(&server, &waiting, "StockReserved");
    let stock =
        server.send("GET", "/queries/inventory.stock-level?json=%7B%22sku%22:%22mug%22%7D", "", &[]).ok();
    assert_eq!(stock, json!({ "sku": "mug", "on_hand": 2, "reserved": 1 }));
    assert_eq!(server.command("orders.cancel", &waiting).problem(), (422, "already_paid"));
}

#[test]
fn an_order_that_cannot_be_paid_is_cancelled() {
    let server = Server::start();
    let dear = placed(&server, "espresso-machine");
    reaches(&server, &dear, "Cancelled");
    server.command("orders.cancel", &dear).ok();
    assert_eq!(server.query("payments.by-status", "{}")[0]["status"], "declined");
}

#[test]
fn what_is_asked_twice_with_one_key_is_done_once() {
    let server = Server::start();
    let key = &["idempotency-key: k-1"];
    let first = server.command_with("orders.place", &order("mug", 1), key).ok();
    let again = server.command_with("orders.place", &order("mug", 1), key).ok();
    assert_eq!(first, again);
    assert_eq!(orders_on_record(&server), 1);
    let other = server.command_with("orders.place", &order("mug", 2), key);
    assert_eq!(other.problem(), (409, "key-conflict"));
    // Keys are the caller's own.
    let somebody = ["idempotency-key: k-1", "x-caller: somebody"];
    assert_ne!(server.command_with("orders.place", &order("mug", 1), &somebody).ok(), first);
    // A refusal is an answer too.
    let key = &["idempotency-key: k-2"];
    for _ in 0..2 {
        assert_eq!(
            server.command_with("orders.place", &order("unicorn", 1), key).problem(),
            (422, "unknown_sku")
        );
    }
    assert_eq!(orders_on_record(&server), 2);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let server = Server::start();
    let misspelt = json!({ "customer_id": CUSTOMER, "lines": [], "cupon": "SPRING" }).to_string();
    let refused = server.command("orders.place", &misspelt);
    assert_eq!(refused.problem(), (400, "invalid"));
    assert!(refused.body["detail"].as_str().unwrap().contains("unknown field `cupon`"), "{}", refused.body);

    let refused = server.command("orders.palce", "{}");
    assert_eq!(refused.problem(), (404, "not-found"));
    assert!(refused.body["detail"].as_str().unwrap().contains("orders.place"), "{}", refused.body);

    for body in ["", "{", "[]", r#"{"customer_id": 7}"#, "{} {}"] {
        assert_eq!(server.command("orders.place", body).problem(), (400, "invalid"), "{body}");
    }
    for header in ["idempotency-key:", "deadline-ms: soon", "idempotency-key: a\r\nidempotency-key: b"] {
        let refused = server.command_with("orders.place", &order("mug", 1), &[header]);
        assert_eq!(refused.problem(), (400, "invalid"), "{header}");
    }
    for (method, body) in [("GET", ""), ("POST", "{}")] {
        let refused = server.send(method, "/queries/orders.by-state", body, &["deadline-ms: soon"]);
        assert_eq!(refused.problem(), (400, "invalid"), "queries have callers, too: {method}");
    }
    for (method, path, problem) in [
        ("GET", "/commands/orders.place", (405, "method-not-allowed")),
        ("GET", "/orders", (404, "not-found")),
        ("GET", "/queries/orders.by-stat", (404, "not-found")),
        ("GET", "/queries/orders.by-state?jsno=%7B%7D", (400, "invalid")),
        ("POST", "/commands/orders.by-state", (404, "not-found")),
    ] {
        assert_eq!(server.send(method, path, "", &[]).problem(), problem, "{method} {path}");
    }
    assert_eq!(orders_on_record(&server), 0);
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let server = Server::start();
    // Announced, and never sent: an edge that read it first would wait for it.
    let announced = format!("content-length: {}", BODY_BYTES_MAX + 1);
    let head = format!("POST /commands/orders.place HTTP/1.1\r\nhost: shop\r\n{announced}\r\n\r\n");
    assert_eq!(server.raw(&head).problem(), (413, "too-large"));
    // Not announced: refused as soon as it has grown too large, although its end never comes.
    let chunk = format!("{:x}\r\n{}\r\n", BODY_BYTES_MAX + 1, "x".repeat(BODY_BYTES_MAX + 1));
    let head = "POST /commands/orders.place HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(server.raw(&format!("{head}{chunk}")).problem(), (413, "too-large"));
    // As large as may be is read, and found to be no order.
    let spaces = " ".repeat(BODY_BYTES_MAX);
    assert_eq!(server.command("orders.place", &spaces).problem(), (400, "invalid"));
}

#[cfg(unix)]
#[test]
fn it_stops_in_order_when_told_to() {
    for signal in ["-INT", "-TERM"] {
        let server = Server::start();
        placed(&server, "mug");
        assert!(server.stop(signal).success(), "{signal}");
    }
}
