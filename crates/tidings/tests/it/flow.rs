//! The tree of what one request caused, of a running application.

use tidings::flow::{CommandResult, HandlingState, What};
use tidings::{Caller, Flow, MessageId, TraceContext};

use crate::app::{bump, reset_and};
use crate::support::Harness;

/// What stands in the tree, line by line, without times and ids.
fn outline(flow: &Flow) -> Vec<String> {
    let text = flow.to_string();
    let (_, tree) = text.split_once("\n\n").unwrap();
    tree.lines().map(|line| line.split("  +").next().unwrap_or(line).to_owned()).collect()
}

async fn flow_of_newest(harness: &Harness) -> Flow {
    let newest = harness.app.store().flow_sizes(1).await.unwrap().remove(0);
    harness.app.flow(newest.correlation_id).await.unwrap().expect("its messages are on record")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_command_caused_hangs_below_it() {
    let harness = Harness::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let caller = Caller { trace: TraceContext::from_headers(Some(trace), None, None), ..Caller::default() };
    let payload = br#"{"send_bump":{"counter":"garbage-flow","by":4}}"#;
    harness.app.send_json("counters.reset-all", payload, caller).await.unwrap();
    harness.until_parked("audit.note", 0, 0, 1).await;
    harness.settle().await;
    let flow = flow_of_newest(&harness).await;
    let expected = [
        "command counters.reset-all: completed",
        "└─ durable command counters.bump: completed, answers counters.bump-answered",
        "   └─ handled by counters.bump",
        "      ├─ event counters.bumped v1",
        "      │  └─ dead in audit.note after 1 attempt: this can never be noted",
        "      └─ reply to counters.bump-answered",
        "         └─ handled by counters.bump-answered",
    ];
    assert_eq!(outline(&flow), expected, "{flow}");
    assert_eq!((flow.fan_out.messages, flow.fan_out.called_commands, flow.open.dead), (3, 1, 1));

    // By whatever a person has at hand.
    for node in &flow.nodes {
        assert_eq!(harness.app.flow(node.id).await.unwrap().as_ref(), Some(&flow));
        assert_eq!(harness.app.flow(node.id.to_string()).await.unwrap().as_ref(), Some(&flow));
    }
    for text in ["4bf92f3577b34da6a3ce929d0e0e4736", trace] {
        assert_eq!(harness.app.flow(text).await.unwrap().as_ref(), Some(&flow), "{text}");
    }
    assert_eq!(harness.app.flow(MessageId::new()).await.unwrap(), None);
    let error = harness.app.flow("order 7").await.unwrap_err();
    assert!(tidings::chain(error.into_source().as_ref()).contains("`order 7` is no id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_told_until_the_last_one_and_after_it() {
    let harness = Harness::start().await;
    harness.app.send(reset_and(bump("fail-1-flow", 4))).await.unwrap();
    harness.until_parked("audit.note", 1, 0, 0).await;
    let state = |flow: &Flow| {
        let bumped = flow.nodes.iter().find(|node| matches!(node.what, What::Event { .. })).unwrap();
        bumped.what.handlings()[0].state.clone()
    };
    let retrying = state(&flow_of_newest(&harness).await);
    assert!(
        matches!(&retrying, HandlingState::Retrying { attempts: 1, error, .. } if error.contains("attempt 1 fails")),
        "{retrying:?}"
    );
    harness.clock.advance(std::time::Duration::from_secs(60));
    harness.until_parked("audit.note", 0, 0, 0).await;
    let handled = state(&flow_of_newest(&harness).await);
    assert!(matches!(handled, HandlingState::Handled { attempts: Some(2), .. }), "{handled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_told_with_its_words() {
    let harness = Harness::start().await;
    harness.app.send(reset_and(bump("silent-flow", 0))).await.unwrap();
    harness.settle().await;
    let flow = flow_of_newest(&harness).await;
    let What::DurableCommand { outcome: Some(outcome), .. } = &flow.nodes[1].what else { panic!("{flow}") };
    assert!(matches!(&outcome.result, CommandResult::Rejected(rejection) if rejection.code == "zero"));
    assert!(outcome.unhandled, "nobody was named for it");
}
