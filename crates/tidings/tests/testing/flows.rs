//! Assertions on one flow.

use tidings::testing::TestApp;

use crate::failing::{failure, says};
use crate::shop::{Number, counting_stock, mail, modules, orders, place};

#[tokio::test]
async fn what_a_flow_did_is_asserted_on_and_each_assertion_can_fail() {
    let app = TestApp::start(modules()).await;
    let sent = app.send(place("many-flow")).await;
    app.settle().await;
    let flow = app.flow_of(sent.flow()).await;
    flow.published(["orders.placed", "mail.sent"])
        .published_exactly([
            "orders.placed",
            "stock.reserved",
            "stock.reserved",
            "stock.reserved",
            "mail.sent",
            "mail.sent",
            "mail.sent",
        ])
        .count("stock.reserved", 3)
        .count("stock.broken", 0)
        .fan_out_at_most(7)
        .no_dead_letters()
        .handled_by("orders.placed", "stock.reserve")
        .handled_by("stock.reserved", "mail.ask-for-mail")
        .jobs_completed(["mail.send", "mail.send", "mail.send"])
        .is_done();
    let head = format!("flow {}", sent.flow());
    let tree = [
        "flows.rs:",
        &head,
        "command orders.place: completed",
        "event orders.placed v1",
        "handled by stock.reserve",
        "event stock.reserved v1",
        "job mail.send",
    ];
    for (assertion, problem) in [
        (
            failure(async {
                flow.published(["mail.sent", "orders.placed"]);
            })
            .await,
            "`orders.placed` was not published, or not in this order\n  expected:  mail.sent, orders.placed\n  published: orders.placed, stock",
        ),
        (
            failure(async {
                flow.published_exactly(["orders.placed"]);
            })
            .await,
            "other events were published",
        ),
        (
            failure(async {
                flow.published_exactly([]);
            })
            .await,
            "expected:  nothing",
        ),
        (
            failure(async {
                flow.count("stock.reserved", 2);
            })
            .await,
            "`stock.reserved` was published 3 times, and not 2",
        ),
        (
            failure(async {
                flow.fan_out_at_most(6);
            })
            .await,
            "the flow has 7 messages, more than 6",
        ),
        (
            failure(async {
                flow.handled_by("orders.placed", "mail.ask-for-mail");
            })
            .await,
            "`mail.ask-for-mail` has handled 0 of 1 events `orders.placed`",
        ),
        (
            failure(async {
                flow.handled_by("orders.lost", "stock.reserve");
            })
            .await,
            "has handled 0 of 0 events `orders.lost`",
        ),
        (
            failure(async {
                flow.jobs_completed(["mail.send"; 4]);
            })
            .await,
            "job `mail.send` is not done",
        ),
        (
            failure(async {
                flow.jobs_completed(["mail.burn"]);
            })
            .await,
            "job `mail.burn` is not done\n  expected: mail.burn\n  done:     mail.send, mail.send, mail.send",
        ),
    ] {
        says(&assertion, &tree);
        says(&assertion, &[problem]);
    }
}

#[tokio::test]
async fn dead_letters_and_dead_jobs_are_told_with_the_tree() {
    let app = TestApp::start(modules()).await;
    app.no_dead_letters().await;
    let of_message = app.send(place("dead-told")).await.flow();
    let of_job = app.send(place("bounce-told")).await.flow();
    app.run_until_idle().await;
    for (flow, problem, tree) in [
        (of_message, "there are dead letters: 1 messages, 0 jobs", "there will never be any"),
        (of_job, "there are dead letters: 0 messages, 1 jobs", "the address does not exist"),
    ] {
        let flow = app.flow_of(flow).await;
        let told = failure(async {
            flow.no_dead_letters();
        })
        .await;
        says(&told, &["flows.rs:", problem, tree, "event orders.placed v1"]);
        says(
            &failure(async {
                flow.is_done();
            })
            .await,
            &["the flow is not done", tree],
        );
    }
    says(
        &failure(app.no_dead_letters()).await,
        &[
            "flows.rs:",
            "`stock.reserve` has given up `orders.placed`: there will never be any",
            "job `mail.send` is dead: the address does not exist",
            &format!("flow {of_message}"),
            &format!("flow {of_job}"),
        ],
    );
}

#[tokio::test]
async fn durable_commands_and_replies_are_part_of_the_flow() {
    let app = TestApp::start([orders(), counting_stock(), mail()]).await;
    let flow = app.send(place("durable-flow")).await.flow();
    app.settle().await;
    let flow = app.flow_of(flow).await;
    flow.published_exactly(["orders.placed", "stock.reserved", "mail.sent"]).is_done();
    assert_eq!(flow.flow().fan_out.durable_commands, 1);
    says(
        &failure(async {
            flow.fan_out_at_most(4);
        })
        .await,
        &["has 5 messages", "durable command stock.count"],
    );
}

#[tokio::test]
async fn a_flow_is_found_by_anything_in_it_and_one_of_nothing_is_a_mistake() {
    let app = TestApp::start(modules()).await;
    let sent = app.send(place("found")).await;
    app.settle().await;
    let mail = app.jobs_named("mail.send").await[0].id;
    app.flow_of(mail).await.published(["orders.placed"]);
    app.flow_of(sent.flow().to_string().as_str()).await.published(["orders.placed"]);
    let mistaken = tidings::MessageId::new();
    let told = failure(async { app.flow_of(mistaken).await }).await;
    says(&told, &["flows.rs:", "nothing on record belongs to", &mistaken.to_string()]);
    // A refused command is one that was sent, so its flow may be empty.
    let mut nothing = place("nothing");
    nothing.pieces = 0;
    let refused = app.send(nothing).await;
    app.flow_of(refused.flow()).await.published_exactly([]).no_dead_letters().fan_out_at_most(0);
    let told = failure(async { app.flow_of("order 7").await }).await;
    says(&told, &["flows.rs:", "order 7"]);
}

#[tokio::test]
async fn what_became_of_a_command_is_asserted_on() {
    let app = TestApp::start(modules()).await;
    let mut order = place("refused");
    order.pieces = 0;
    let refused = app.send(order).await;
    assert_eq!(refused.rejected().code, "empty_order");
    says(
        &failure(async { *refused.completed() }).await,
        &["flows.rs:", "was rejected", "at least one piece"],
    );
    assert!(refused.into_outcome().is_err());
    let keyed = || app.send(place("keyed")).with(|command| command.idempotency_key("4711").caller("test"));
    let (first, second) = (keyed().await, keyed().await);
    assert_eq!((*first.completed(), *second.completed()), (1, 1));
    assert_eq!(app.ask(Number {}).await, Some(1), "the second is the first");
    let told = failure(async { first.rejected().code.clone() }).await;
    says(&told, &["flows.rs:", "was not rejected, it completed"]);
}
