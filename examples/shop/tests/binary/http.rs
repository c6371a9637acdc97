//! The HTTP edge: what it does, and what it refuses.

use serde_json::json;

use crate::orders::{CUSTOMER, address, order, place};
use crate::server::Server;

/// `commands.body_bytes_max`.
const BODY_BYTES_MAX: usize = 262_144;

fn orders_on_record(server: &Server) -> u64 {
    let counts = server.query("orders.by-state", "{}");
    counts.as_array().unwrap().iter().map(|count| count["orders"].as_u64().unwrap()).sum()
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
    let misspelt =
        json!({ "customer_id": CUSTOMER, "ship_to": address(), "lines": [], "cupon": "SPRING" }).to_string();
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
        place(&server, "mug");
        assert!(server.stop(signal).success(), "{signal}");
    }
}
