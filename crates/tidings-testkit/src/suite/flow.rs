//! What is on record about a flow.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tidings_core::envelope::{Envelope, MessageKind, Recorded};
use tidings_core::error::Rejection;
use tidings_core::flow::{CommandResult, FlowFacts, FlowId, HandlingState, find};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    AttemptEnd, Claim, ConsumerKind, ConsumerSpec, DeathReason, Filter, JobEnd, JobLease, JobState, Limits,
    NewJob, OutcomeRecord, OutcomeStatus, Receipt, Settled, Start, Store, StoreError, Tx, Work, WorkerId,
};
use tidings_core::trace::{TraceContext, TraceParent};

use super::support::*;
use crate::factory::StoreFactory;
use crate::script::{Op, run};

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];

async fn facts(store: &dyn Store, flow: MessageId) -> FlowFacts {
    store.flow_facts(flow).await.expect("a flow is read")
}

fn caused(cause: &Envelope, name: &str) -> Envelope {
    Envelope { correlation_id: cause.correlation_id, causation_id: Some(cause.id), ..keyless(name) }
}

fn outcome(id: MessageId, flow: MessageId, seconds: i64) -> OutcomeRecord {
    OutcomeRecord {
        id,
        command: "orders.place".into(),
        correlation_id: flow,
        causation_id: None,
        idempotency: None,
        status: OutcomeStatus::Completed,
        body: r#"{"order":"7"}"#.to_owned(),
        at: at(seconds),
        expires: at(100_000),
        unhandled: false,
    }
}

fn job(flow: MessageId, cause: Option<MessageId>) -> NewJob {
    NewJob {
        id: MessageId::new(),
        name: "suite.reorder".into(),
        queue: "suppliers".into(),
        priority: 0,
        due: at(0),
        key: None,
        share: None,
        unique: None,
        source: "suite".into(),
        correlation_id: flow,
        causation_id: cause,
        trace: TraceContext::default(),
        at: at(0),
        data: "{}".to_owned(),
    }
}

/// A work from a closure, for what scripts have no step for.
struct Closure(Box<Step>);

type Step = dyn for<'a> Fn(&'a mut dyn Tx) -> BoxFuture<'a, Result<(), StoreError>> + Send + Sync;

#[async_trait]
impl Work for Closure {
    fn name(&self) -> String {
        "suite job".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let done = (self.0)(&mut *tx).await;
        (tx, done)
    }
}

async fn work(
    store: &dyn Store,
    step: impl for<'a> Fn(&'a mut dyn Tx) -> BoxFuture<'a, Result<(), StoreError>> + Send + Sync + 'static,
) {
    store.transact(Arc::new(Closure(Box::new(step))), Limits::default()).await.expect("a work commits");
}

async fn enqueue(store: &dyn Store, jobs: &[NewJob]) {
    let jobs = jobs.to_vec();
    work(store, move |tx| {
        let jobs = jobs.clone();
        Box::pin(async move { tx.enqueue(&jobs).await.map(drop) })
    })
    .await;
}

/// Claims everything that may run, and ends it as `ends` says, in the order of the claim; what it says nothing of goes on
/// running.
async fn attempt(store: &dyn Store, worker: WorkerId, seconds: i64, ends: Vec<JobEnd>) {
    let leases: Arc<std::sync::Mutex<Vec<JobLease>>> = Arc::default();
    let claimed = leases.clone();
    work(store, move |tx| {
        let claimed = claimed.clone();
        Box::pin(async move {
            let names = ["suite.reorder".into()];
            let claim = Claim {
                queue: "suppliers",
                worker,
                names: &names,
                limit: 100,
                now: at(seconds),
                rate: None,
                running_max: None,
            };
            let jobs = tx.claim_jobs(&claim).await?.jobs;
            *claimed.lock().expect("nobody panics here") = jobs.into_iter().map(|job| job.lease).collect();
            Ok(())
        })
    })
    .await;
    let leases = leases.lock().expect("nobody panics here").clone();
    let ends: Vec<_> = leases.into_iter().zip(ends).collect();
    work(store, move |tx| {
        let ends = ends.clone();
        Box::pin(async move {
            let good = tx.end_attempts(&ends, at(seconds + 1)).await?;
            assert!(good.iter().all(|good| *good), "a good lease ends its attempt");
            Ok(())
        })
    })
    .await;
}

/// The flow of an event, a command, a reply, a job and an outcome is found by the id of each, and by its own.
pub async fn a_flow_is_found_by_whatever_belongs_to_it(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let flow = MessageId::new();
    let root = Envelope { correlation_id: flow, causation_id: Some(flow), ..keyless("orders.placed") };
    let command = Envelope { kind: MessageKind::Command, ..caused(&root, "payments.charge") };
    let reply = Envelope { kind: MessageKind::Reply, ..caused(&command, "orders.charged") };
    let reorder = job(flow, Some(root.id));
    let called = OutcomeRecord { causation_id: Some(reorder.id), ..outcome(MessageId::new(), flow, 1) };
    append(store.as_ref(), &[root.clone(), command.clone(), reply.clone()]).await;
    enqueue(store.as_ref(), std::slice::from_ref(&reorder)).await;
    run(store.as_ref(), [Op::Outcome(outcome(flow, flow, 1)), Op::Outcome(called.clone())])
        .await
        .expect("outcomes are stored");
    for (id, what) in [
        (root.id, "an event"),
        (command.id, "a command"),
        (reply.id, "a reply"),
        (reorder.id, "a job"),
        (called.id, "a called command"),
        (flow, "the flow itself"),
    ] {
        let found = store.correlation_of(id).await.expect("a flow is looked for");
        assert_eq!(found, Some(flow), "a flow is found by the id of {what}");
    }
    let unknown = store.correlation_of(MessageId::new()).await.expect("a flow is looked for");
    assert_eq!(unknown, None, "an unknown id has no flow");
    assert!(
        facts(store.as_ref(), MessageId::new()).await.is_empty(),
        "an unknown flow has nothing on record"
    );

    // By any of its parts alone, too, when the others are gone.
    let (lone_root, lone_job, lone_call) = (MessageId::new(), MessageId::new(), MessageId::new());
    enqueue(store.as_ref(), &[job(lone_job, Some(lone_job))]).await;
    let ops = [
        Op::Outcome(outcome(lone_root, lone_root, 1)),
        Op::Outcome(OutcomeRecord {
            causation_id: Some(lone_job),
            ..outcome(MessageId::new(), lone_call, 1)
        }),
    ];
    run(store.as_ref(), ops).await.expect("outcomes are stored");
    for flow in [lone_root, lone_job, lone_call] {
        let found = store.correlation_of(flow).await.expect("a flow is looked for");
        assert_eq!(found, Some(flow), "a flow is found by its own id while anything of it is on record");
        assert!(!facts(store.as_ref(), flow).await.is_empty(), "and what is on record is told");
    }
}

/// Messages come in log order with every field but the payload, and only those of the flow.
pub async fn the_messages_of_a_flow_come_whole_and_in_order(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let trace = TraceContext::root();
    let root = Envelope { trace: trace.clone(), version: 7, ..event("orders.placed", "é 😀") };
    let command = Envelope {
        kind: MessageKind::Command,
        version: 0,
        source: "orders".into(),
        reply_to: Some("orders.charged".into()),
        time: at(-7),
        ..caused(&root, "payments.charge")
    };
    let reply = Envelope { kind: MessageKind::Reply, version: 0, ..caused(&command, "orders.charged") };
    let flow = [root.clone(), command, reply];
    for message in &flow {
        append(store.as_ref(), &[message.clone(), keyless("orders.placed")]).await;
    }
    for store in [database.store(), database.crash().await] {
        let facts = facts(store.as_ref(), root.id).await;
        assert_eq!(facts.messages.len(), flow.len(), "a flow's messages, and no other's");
        for (fact, message) in facts.messages.iter().zip(&flow) {
            assert_eq!(
                (fact.id, fact.kind, &fact.name, fact.version, &fact.source, &fact.key),
                (message.id, message.kind, &message.name, message.version, &message.source, &message.key),
                "a message of a flow comes as it was appended"
            );
            assert_eq!(
                (fact.time, fact.causation_id, &fact.reply_to),
                (message.time, message.causation_id, &message.reply_to),
                "a message of a flow comes as it was appended"
            );
        }
        let trace_id = trace.parent.map(|parent| parent.trace_id);
        assert_eq!(facts.messages[0].trace_id, trace_id, "with its trace");
        assert_eq!(facts.messages[1].trace_id, None, "and without one if it had none");
    }
}

/// What became of `message` at the suite's consumer.
async fn state(store: &dyn Store, message: &Recorded) -> Option<HandlingState> {
    let facts = facts(store, message.envelope.correlation_id).await;
    let fact = facts.messages.into_iter().find(|fact| fact.id == message.envelope.id);
    let mut handlings = fact.expect("a message is in its flow").handlings;
    handlings.retain(|handling| *handling.consumer == *NAME);
    assert!(handlings.len() <= 1, "a consumer handles a message once: {handlings:?}");
    handlings.pop().map(|handling| handling.state)
}

/// Handled, retrying, behind, dead, discarded and unread are told as they are, each with its time, attempts and error.
pub async fn each_handling_is_told_as_it_stands(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &[event("orders.placed", "0")]).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Now).await;
    let keys = ["1", "1", "2", "3", "4", "5"];
    append(store.as_ref(), &keys.map(|key| event("orders.placed", key))).await;
    append(store.as_ref(), &[event("orders.paid", "1")]).await;
    let all = everything(store.as_ref(), &["orders.placed", "orders.paid"]).await;
    let [before, retry, next, dies, given_up, fine, ahead, other] = all.as_slice() else {
        panic!("eight messages are in the log")
    };
    for message in &all[1..7] {
        let found = state(store.as_ref(), message).await;
        assert_eq!(found, Some(HandlingState::Unread), "what is ahead of a consumer is not read yet");
    }
    for message in [before, other] {
        assert_eq!(
            state(store.as_ref(), message).await,
            None,
            "what a consumer never reads it does not handle"
        );
    }
    let batch = consumer.take(store.as_ref(), 5).await.messages;
    assert_eq!(batch.len(), 5, "the suite takes five");
    let parked = vec![retrying(retry, at(10)), behind(next), dead(dies, false), dead(given_up, false)];
    let covered = Receipt { count: 1, ..receipt_of(&batch, 3).expect("a batch") };
    consumer.cursor = store
        .read_after(&consumer.holding.cursor, &consumer.filter, 5)
        .await
        .expect("a batch is read")
        .cursors
        .pop()
        .expect("five messages have cursors");
    run(store.as_ref(), [Op::Park(consumer.lease.clone(), parked), consumer.advance(Some(covered))])
        .await
        .expect("a batch commits");
    let reason = "by hand".to_owned();
    consumer.settle(store.as_ref(), given_up, Settled::Discarded { at: at(4), reason: reason.clone() }).await;

    let error = || "the suite let it fail".to_owned();
    let (attempts, parked_at) = (1, at(0));
    let expected = [
        (retry, HandlingState::Retrying { attempts, due: Some(at(10)), error: error(), parked_at }),
        (next, HandlingState::Behind { parked_at }),
        (dies, HandlingState::Dead { attempts, error: error(), parked_at }),
        (given_up, HandlingState::Discarded { attempts, error: error(), reason, at: at(4) }),
        (fine, HandlingState::Handled { at: at(3), attempts: None }),
        (ahead, HandlingState::Unread),
    ];
    for (message, expected) in expected {
        let found = state(store.as_ref(), message).await;
        assert_eq!(found, Some(expected), "a handling is told as it stands");
    }

    let again = Settled::Retry { due: at(60), attempts: 2, error: "no again".to_owned() };
    consumer.settle(store.as_ref(), retry, again).await;
    let expected =
        HandlingState::Retrying { attempts: 2, due: Some(at(60)), error: "no again".to_owned(), parked_at };
    assert_eq!(state(store.as_ref(), retry).await, Some(expected), "a handling is told as it stands now");
    consumer.settle(store.as_ref(), retry, Settled::Handled { at: at(61), attempts: 3 }).await;
    let expected = HandlingState::Handled { at: at(61), attempts: Some(3) };
    assert_eq!(
        state(store.as_ref(), retry).await,
        Some(expected),
        "what was handled at last says at which attempt"
    );
}

/// A message is told for each consumer that reads it, under the names that they have now; kinds are kept apart.
pub async fn every_consumer_of_a_message_is_told(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut old = Consumer::enter(store.as_ref(), "suite.old", &READS, Start::Now).await;
    Consumer::enter(store.as_ref(), "suite.second", &READS, Start::Now).await;
    let handler = ConsumerSpec {
        name: "orders.placed".into(),
        kind: ConsumerKind::CommandHandler,
        filter: Filter::all(MessageKind::Command, vec!["orders.placed".into()]),
        start: Start::Now,
        aliases: Vec::new(),
        partitions: 1,
    };
    store.register(&handler, at(0)).await.expect("a consumer is registered");
    let placed = event("orders.placed", "1");
    let command = Envelope { kind: MessageKind::Command, ..caused(&placed, "orders.placed") };
    append(store.as_ref(), &[placed.clone(), command.clone()]).await;
    let batch = old.take(store.as_ref(), 1).await.messages;
    run(store.as_ref(), [old.advance(receipt_of(&batch, 1))]).await.expect("a batch commits");
    let renamed = ConsumerSpec { aliases: vec!["suite.old".into()], ..spec(NAME, &READS, Start::Now) };
    store.register(&renamed, at(2)).await.expect("a consumer takes over");

    let facts = facts(store.as_ref(), placed.id).await;
    let told: Vec<Vec<_>> = facts
        .messages
        .iter()
        .map(|message| message.handlings.iter().map(|h| (h.consumer.to_string(), h.state.clone())).collect())
        .collect();
    let handled = HandlingState::Handled { at: at(1), attempts: None };
    let of_event = vec![("suite.second".to_owned(), HandlingState::Unread), (NAME.to_owned(), handled)];
    let of_command = vec![("orders.placed".to_owned(), HandlingState::Unread)];
    assert_eq!(told, [of_event, of_command], "each consumer of a message is told");
}

/// What a consumer had not read when it was retired was given up, for a reason; what it had read keeps its outcome.
pub async fn what_a_retired_consumer_gave_up_is_told(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Now).await;
    Consumer::enter(store.as_ref(), "suite.idle", &READS, Start::Now).await;
    append(store.as_ref(), &events("orders.placed", 3)).await;
    let batch = consumer.take(store.as_ref(), 1).await.messages;
    run(store.as_ref(), [consumer.advance(receipt_of(&batch, 1))]).await.expect("a batch commits");
    for name in [NAME, "suite.idle"] {
        store.retire(name, "replaced", at(5)).await.expect("a consumer is retired");
    }
    append(store.as_ref(), &events("orders.placed", 1)).await;
    let all = everything(store.as_ref(), &READS).await;
    let given_up = || HandlingState::GivenUp { reason: "replaced".to_owned(), at: at(5) };
    let expected = [
        Some(HandlingState::Handled { at: at(1), attempts: None }),
        Some(given_up()),
        Some(given_up()),
        None,
    ];
    for (message, expected) in all.iter().zip(expected) {
        assert_eq!(state(store.as_ref(), message).await, expected, "what a retired consumer gave up is told");
    }
    let of_first = facts(store.as_ref(), all[0].envelope.id).await.messages.remove(0).handlings;
    let idle = of_first.into_iter().find(|handling| &*handling.consumer == "suite.idle");
    assert_eq!(
        idle.map(|handling| handling.state),
        Some(given_up()),
        "what a consumer gave up that never read anything is told, too"
    );
}

/// The outcomes of the root, of durable commands and of calls from jobs, and of no other flow.
pub async fn the_outcomes_of_a_flow_are_told(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (flow, stranger) = (MessageId::new(), MessageId::new());
    let root = Envelope { correlation_id: flow, causation_id: Some(flow), ..keyless("orders.placed") };
    let command = Envelope { kind: MessageKind::Command, ..caused(&root, "orders.place") };
    let reorder = job(flow, Some(root.id));
    append(store.as_ref(), &[root, command.clone()]).await;
    let rejection = Rejection { code: "empty_order".to_owned(), message: "é \" \u{0}".to_owned() };
    let records = [
        outcome(flow, flow, 1),
        OutcomeRecord {
            status: OutcomeStatus::Rejected,
            body: serde_json::to_string(&rejection).expect("a rejection is JSON"),
            unhandled: true,
            ..outcome(command.id, flow, 2)
        },
        OutcomeRecord { causation_id: Some(reorder.id), ..outcome(MessageId::new(), flow, 3) },
    ];
    let others = [
        outcome(stranger, stranger, 1),
        OutcomeRecord { causation_id: Some(reorder.id), ..outcome(MessageId::new(), stranger, 3) },
    ];
    let ops: Vec<_> = records.iter().chain(&others).cloned().map(Op::Outcome).collect();
    run(store.as_ref(), ops).await.expect("outcomes are stored");
    let commands = facts(store.as_ref(), flow).await.commands;
    let found: Vec<_> = commands.iter().map(|c| (c.id, c.causation_id, c.at, c.unhandled)).collect();
    let expected: Vec<_> = records.iter().map(|r| (r.id, r.causation_id, r.at, r.unhandled)).collect();
    assert_eq!(found, expected, "the outcomes of a flow, in the order of time");
    let results: Vec<_> = commands.into_iter().map(|command| command.result).collect();
    let expected = [CommandResult::Completed, CommandResult::Rejected(rejection), CommandResult::Completed];
    assert_eq!(results, expected, "with how they ended");
}

/// Jobs come in the order of their enqueueing, with their times and with the attempts that did not complete them.
pub async fn the_jobs_of_a_flow_come_with_their_attempts(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let placed = keyless("orders.placed");
    append(store.as_ref(), std::slice::from_ref(&placed)).await;
    let mut jobs: Vec<_> = (0..4).map(|_| job(placed.id, Some(placed.id))).collect();
    jobs[1].key = Some(Key::new("sku", "é"));
    jobs[3].due = at(1_000);
    jobs[3].share = Some("tenant é".into());
    enqueue(store.as_ref(), &jobs).await;
    enqueue(store.as_ref(), &[NewJob { due: at(1_000), ..job(MessageId::new(), None) }]).await;
    let worker = store
        .enlist(&tidings_core::store::Member::named("the suite"), Duration::from_secs(60))
        .await
        .expect("a worker is entered");
    let error = |text: &str| text.to_owned();
    let died = JobEnd::Dead { reason: DeathReason::Permanent, error: error("never"), releases_key: false };
    let failed = JobEnd::Retry { due: at(20), error: error("not now") };
    attempt(store.as_ref(), worker, 10, vec![failed, died, JobEnd::Completed]).await;
    attempt(store.as_ref(), worker, 20, vec![JobEnd::Completed]).await;

    let found = facts(store.as_ref(), placed.id).await.jobs;
    let shown: Vec<_> =
        found.iter().map(|job| (job.id, job.state, job.attempts, job.at, job.causation_id)).collect();
    let states =
        [(JobState::Completed, 2), (JobState::Dead, 1), (JobState::Completed, 1), (JobState::Scheduled, 0)];
    let expected: Vec<_> = jobs
        .iter()
        .zip(states)
        .map(|(job, (state, attempts))| (job.id, state, attempts, job.at, job.causation_id))
        .collect();
    assert_eq!(shown, expected, "the jobs of a flow, in the order of their enqueueing");
    let times: Vec<_> = found.iter().map(|job| (job.started_at, job.ended_at)).collect();
    let expected = [
        (Some(at(20)), Some(at(21))),
        (Some(at(10)), Some(at(11))),
        (Some(at(10)), Some(at(11))),
        (None, None),
    ];
    assert_eq!(times, expected, "with their times");
    assert_eq!((found[1].death, found[1].error.as_deref()), (Some(DeathReason::Permanent), Some("never")));
    assert_eq!((&found[1].key, found[3].due), (&jobs[1].key, at(1_000)), "with key and due time");
    assert_eq!((&found[3].share, &found[1].share), (&jobs[3].share, &None), "and share");
    let attempts: Vec<Vec<_>> = found
        .iter()
        .map(|job| {
            job.failed
                .iter()
                .map(|a| (a.attempt, a.end, a.started_at, a.ended_at, a.error.as_str()))
                .collect()
        })
        .collect();
    let first = vec![(1, AttemptEnd::Failed, at(10), at(11), "not now")];
    assert_eq!(attempts[0], first, "with the attempts that did not complete them");
    assert!(attempts[2].is_empty() && attempts[3].is_empty(), "and without those of others");
}

/// A trace leads to all its flows, oldest first, by their messages and by their jobs.
pub async fn a_trace_leads_to_its_flows(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let parent = TraceParent::root();
    let traced = |parent: TraceParent| TraceContext { parent: Some(parent), ..TraceContext::default() };
    let of_trace =
        |seconds| Envelope { trace: traced(parent.child()), time: at(seconds), ..keyless("orders.placed") };
    let (younger, older) = (of_trace(7), of_trace(3));
    let stranger = Envelope { trace: TraceContext::root(), ..keyless("orders.placed") };
    append(store.as_ref(), &[younger.clone(), stranger, older.clone(), caused(&older, "orders.paid")]).await;
    let lone = NewJob { at: at(5), trace: traced(parent.child()), ..job(MessageId::new(), None) };
    enqueue(store.as_ref(), std::slice::from_ref(&lone)).await;
    let flows = store.flows_of_trace(parent.trace_id).await.expect("a trace is looked for");
    assert_eq!(
        flows,
        [older.id, lone.correlation_id, younger.id],
        "a trace leads to its flows, oldest first"
    );
    let unknown = store.flows_of_trace(TraceParent::root().trace_id).await.expect("a trace is looked for");
    assert_eq!(unknown, [], "an unknown trace leads nowhere");

    let found = find(store.as_ref(), FlowId::Trace(parent.trace_id)).await.expect("a flow is looked for");
    let found = found.expect("the trace has flows");
    assert_eq!(
        (found.correlation_id, found.other_flows),
        (older.id, vec![lone.correlation_id, younger.id]),
        "of several flows the oldest is taken, and the others are named"
    );
    let either = FlowId::Either(younger.id.0.as_u128());
    let by_id = find(store.as_ref(), either).await.expect("a flow is looked for");
    assert_eq!(by_id.map(|flow| flow.correlation_id), Some(younger.id), "32 digits may be an id");
    let either = FlowId::Either(parent.trace_id);
    let by_trace = find(store.as_ref(), either).await.expect("a flow is looked for");
    assert_eq!(by_trace.map(|flow| flow.correlation_id), Some(older.id), "or a trace");
}

/// One look shows one moment: a message is told as handled if and only if what its handling published is there.
pub async fn a_flow_is_read_as_of_one_moment(factory: &dyn StoreFactory) {
    const MESSAGES: usize = 60;
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Now).await;
    let root = keyless("orders.opened");
    append(store.as_ref(), std::slice::from_ref(&root)).await;
    let placed: Vec<_> = (0..MESSAGES).map(|_| caused(&root, "orders.placed")).collect();
    append(store.as_ref(), &placed).await;
    let before = facts(store.as_ref(), root.id).await.messages;
    assert_eq!(before.len(), 1 + MESSAGES, "a flow comes whole before anything of it is handled");
    let handling = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..MESSAGES {
                let batch =
                    store.read_after(&consumer.cursor, &consumer.filter, 1).await.expect("a batch is read");
                consumer.cursor = batch.cursors[0].clone();
                let effect = caused(&batch.messages[0].envelope, "orders.paid");
                let ops = [Op::Append(vec![effect]), consumer.advance(receipt_of(&batch.messages, 1))];
                run(store.as_ref(), ops).await.expect("a batch commits");
            }
        })
    };
    let mut looks = 0;
    loop {
        let ended = handling.is_finished();
        let messages = facts(store.as_ref(), root.id).await.messages;
        let was_handled =
            |state: &HandlingState| matches!(state, HandlingState::Handled { .. } | HandlingState::Passed);
        let handled = messages.iter().flat_map(|m| &m.handlings).filter(|h| was_handled(&h.state)).count();
        let effects = messages.iter().filter(|message| &*message.name == "orders.paid").count();
        assert_eq!(handled, effects, "a flow is read as of one moment, at look {looks}");
        looks += 1;
        if ended {
            assert_eq!(effects, MESSAGES, "at the end everything is handled");
            break;
        }
    }
    handling.await.expect("the consumer works");
}
