//! Spans, and the traces they belong to.

use serde::{Deserialize, Serialize};
use tidings::{Caller, Command, Ctx, Module, Outcome, Query, QueryCtx, Result, TraceContext, batch, sql};

use crate::app::contracts::audit::Noted;
use crate::app::{SomeBumped, audit_tables, bump, counters};
use crate::support::Harness;
use crate::telling::{listen, told};

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("spans.name", output = Vec<Option<String>>)]
struct NameSpans {}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("spans.names", output = Vec<Option<String>>)]
struct NamesOfSpans {}

fn current() -> Option<String> {
    tracing::Span::current().metadata().map(|span| span.name().to_owned())
}

async fn name_spans(ctx: &mut Ctx, _cmd: NameSpans) -> Outcome<Vec<Option<String>>> {
    let before = current();
    let _: Option<i64> = sql("SELECT 1").fetch_scalar(ctx.tx()).await?;
    Ok(vec![before, current()])
}

async fn names_of_spans(ctx: &mut QueryCtx, _query: NamesOfSpans) -> Result<Vec<Option<String>>> {
    let before = current();
    let _: Option<i64> = sql("SELECT 1").fetch_scalar(ctx.tx()).await?;
    Ok(vec![before, current()])
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread")]
async fn a_span_goes_with_its_handler_and_a_trace_with_its_query() {
    listen();
    let harness = Harness::with([Module::new("spans").command(name_spans).query(names_of_spans)]).await;
    let handle = || Some("handle".to_owned());
    assert_eq!(harness.app.send(NameSpans {}).await.unwrap(), [handle(), handle()]);
    assert_eq!(harness.app.ask(NamesOfSpans {}).await.unwrap(), [handle(), handle()]);

    let trace = || TraceContext::from_headers(Some(PARENT), None, None);
    harness.app.ask(NamesOfSpans {}).trace(trace()).await.unwrap();
    let caller = Caller { trace: trace(), ..Caller::default() };
    harness.app.ask_json("spans.names", b"{}", caller).await.unwrap();
    let traced =
        |span: &str| span.contains("spans.names") && span.contains("4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(told(traced), 2);
}

/// Says of those counters that are `mine-..` that they cause a note.
async fn note_the_cause(ctx: &mut Ctx, events: Vec<SomeBumped>) -> Result<()> {
    for event in &events {
        if event.counter.starts_with("nobodys") {
            ctx.publish(Noted { text: event.counter.clone() }).await?;
        }
    }
    for (position, event) in events.iter().enumerate() {
        if event.counter.starts_with("mine") {
            ctx.caused_by(position)?;
            ctx.publish(Noted { text: event.counter.clone() }).await?;
        }
    }
    assert!(ctx.caused_by(events.len()).is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_batch_publishes_belongs_to_the_event_that_causes_it() {
    listen();
    let harness = Harness::with([counters(), audit_tables()]).await;
    for counter in ["nobodys-1", "mine-1", "mine-2"] {
        harness.app.send(bump(counter, 1)).await.unwrap();
    }
    let noting = audit_tables().on_with("note", batch(note_the_cause), |options| options.from_start());
    let harness = harness.restart_with([counters(), noting]).await.unwrap();
    harness.settle().await;
    let mut causes = Vec::new();
    for flow in harness.app.store().flow_sizes(10).await.unwrap() {
        let messages = harness.app.store().flow(flow.correlation_id).await.unwrap();
        let of = |name: &str| messages.iter().find(|message| &*message.envelope.name == name);
        let (bumped, noted) = (of("counters.bumped"), of("audit.noted"));
        let Some(noted) = noted else { continue };
        assert_eq!(noted.envelope.causation_id, bumped.map(|bumped| bumped.envelope.id));
        causes.push((noted.envelope.data.clone(), bumped.map(|bumped| bumped.envelope.data.clone())));
        if bumped.is_none() {
            assert_eq!(noted.envelope.correlation_id, noted.envelope.id);
        }
    }
    causes.sort();
    let texts: Vec<_> = causes.iter().map(|(noted, _)| noted.as_str()).collect();
    assert_eq!(texts, [r#"{"text":"mine-1"}"#, r#"{"text":"mine-2"}"#, r#"{"text":"nobodys-1"}"#]);
    assert!(causes[0].1.as_ref().is_some_and(|bumped| bumped.contains("mine-1")));
    assert!(causes[1].1.as_ref().is_some_and(|bumped| bumped.contains("mine-2")));
    assert_eq!(causes[2].1, None);
    let of_batch = |span: &str| span.contains("messaging.batch.message_count=3") && span.contains("links=");
    assert_eq!(told(of_batch), 1);
}
