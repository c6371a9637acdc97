//! What became of commands, and idempotency keys.

use std::sync::Arc;

use tidings_core::ids::MessageId;
use tidings_core::store::{CommandCount, IdempotencyScope, OutcomeRecord, OutcomeStatus, Store, StoreError};
use tokio::task::JoinSet;

use super::support::*;
use crate::factory::StoreFactory;
use crate::script::{Op, run};

fn scope(caller: &str, command: &str, key: &str) -> IdempotencyScope {
    IdempotencyScope { caller: caller.to_owned(), command: command.into(), key: key.to_owned() }
}

/// A completed command with a key, that expires 100 seconds after the start.
fn outcome(scope: Option<IdempotencyScope>) -> OutcomeRecord {
    OutcomeRecord {
        causation_id: None,
        id: MessageId::new(),
        command: scope.as_ref().map_or_else(|| "orders.place".into(), |scope| scope.command.clone()),
        correlation_id: MessageId::new(),
        idempotency: scope.map(|scope| (scope, [7; 32])),
        status: OutcomeStatus::Completed,
        body: r#"{"order":"7"}"#.to_owned(),
        at: at(1),
        expires: at(100),
        unhandled: false,
    }
}

async fn found(store: &dyn Store, scope: &IdempotencyScope, seconds: i64) -> Option<OutcomeRecord> {
    store.outcome(scope, at(seconds)).await.expect("an outcome is looked up")
}

/// Every field comes back, by key and by id, also after a crash.
pub async fn an_outcome_comes_back_as_it_was_stored(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let odd = scope("tenant 'ü' \"7\"", "orders.place", "k:😀\n");
    let mut payload_hash = [0; 32];
    payload_hash.iter_mut().zip(0..).for_each(|(byte, index)| *byte = 255 - index);
    let records = [
        OutcomeRecord { idempotency: Some((odd.clone(), payload_hash)), ..outcome(None) },
        OutcomeRecord {
            status: OutcomeStatus::Rejected,
            body: r#"{"code":"empty_order","message":"é ' \" \u0000"}"#.to_owned(),
            ..outcome(Some(scope("edge", "orders.place", "")))
        },
        outcome(None),
    ];
    let ops: Vec<_> = records.iter().cloned().map(Op::Outcome).collect();
    run(database.store().as_ref(), ops).await.expect("outcomes are stored");
    for store in [database.store(), database.crash().await] {
        for record in &records {
            let by_id = store.outcome_of(record.id).await.expect("an outcome is looked up");
            assert_eq!(by_id.as_ref(), Some(record), "an outcome comes back as it was stored");
            if let Some((scope, _)) = &record.idempotency {
                assert_eq!(found(store.as_ref(), scope, 2).await.as_ref(), Some(record), "by its key, too");
            }
        }
        let unknown = store.outcome_of(MessageId::new()).await.expect("an outcome is looked up");
        assert_eq!(unknown, None);
    }
}

/// A key is used once; the same key of another caller or another command is another key.
pub async fn a_key_is_used_once_per_caller_and_command(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let scopes = [
        scope("edge", "orders.place", "1"),
        scope("shop", "orders.place", "1"),
        scope("edge", "orders.cancel", "1"),
        scope("edge", "orders.place", "2"),
        scope("edge", "orders.place", "é"),
        scope("edge", "orders.place", "e\u{301}"),
        scope("edge:orders", "place", "1"),
    ];
    let first: Vec<_> = scopes.iter().cloned().map(|scope| outcome(Some(scope))).collect();
    for record in &first {
        run(store.as_ref(), [Op::Outcome(record.clone())]).await.expect("another key is free");
    }
    for (scope, record) in scopes.into_iter().zip(&first) {
        let effect = Op::Append(events("orders.placed", 1));
        let second = run(store.as_ref(), [effect, Op::Outcome(outcome(Some(scope.clone())))]).await;
        assert!(matches!(second, Err(StoreError::IdempotencyKeyUsed)), "a key is used once: {second:?}");
        assert_eq!(found(store.as_ref(), &scope, 2).await.as_ref(), Some(record), "the first outcome stays");
    }
    assert!(
        everything(store.as_ref(), &["orders.placed"]).await.is_empty(),
        "a refused command has no effects"
    );
    for _ in 0..2 {
        run(store.as_ref(), [Op::Outcome(outcome(None))])
            .await
            .expect("commands without a key do not collide");
    }
}

/// An expired record is not found, and its key may be used again.
pub async fn a_key_is_free_again_after_it_expired(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let scope = scope("edge", "orders.place", "1");
    run(store.as_ref(), [Op::Outcome(outcome(Some(scope.clone())))]).await.expect("a key is free");
    assert!(found(store.as_ref(), &scope, 99).await.is_some(), "a record is found until it expires");
    assert!(found(store.as_ref(), &scope, 101).await.is_none(), "an expired record is not found");
    let next = OutcomeRecord { at: at(101), expires: at(200), ..outcome(Some(scope.clone())) };
    run(store.as_ref(), [Op::Outcome(next.clone())]).await.expect("an expired key is free again");
    assert_eq!(found(store.as_ref(), &scope, 150).await, Some(next), "the new record is found");
}

/// An outcome is on record if and only if its work committed.
pub async fn an_outcome_goes_with_its_work(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let scope = scope("edge", "orders.place", "1");
    for ending in [Op::Fail, Op::Panic("planned by the suite"), Op::Undo] {
        let _ended = run(store.as_ref(), [Op::Outcome(outcome(Some(scope.clone()))), ending]).await;
        assert_eq!(found(store.as_ref(), &scope, 2).await, None, "an outcome vanishes with its work");
    }
    let rejected = OutcomeRecord { status: OutcomeStatus::Rejected, ..outcome(Some(scope.clone())) };
    let effect = Op::Append(events("orders.placed", 1));
    run(store.as_ref(), [effect, Op::Undo, Op::Outcome(rejected.clone())])
        .await
        .expect("a rejection commits");
    assert_eq!(found(store.as_ref(), &scope, 2).await, Some(rejected), "a rejection is on record");
    assert!(everything(store.as_ref(), &["orders.placed"]).await.is_empty(), "and nothing else");
}

/// A command's messages and its outcome are there together, in order and whole, or neither is.
pub async fn a_command_ends_with_its_messages_and_its_outcome(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    for count in [0, 1, 5] {
        let scope = scope("edge", "orders.place", &format!("{count} messages"));
        let record = outcome(Some(scope.clone()));
        let messages = events("orders.placed", count);
        run(store.as_ref(), [Op::Conclude(messages.clone(), record.clone())]).await.expect("a key is free");
        assert_eq!(found(store.as_ref(), &scope, 2).await, Some(record.clone()), "the outcome is on record");
        for message in &messages {
            let stored = store.message(message.id).await.expect("a message is looked up");
            assert_eq!(stored.map(|stored| stored.envelope).as_ref(), Some(message), "messages are whole");
        }
        let again = OutcomeRecord { id: MessageId::new(), ..record };
        let more = events("orders.placed", count);
        let used = run(store.as_ref(), [Op::Conclude(more, again)]).await;
        assert!(matches!(used, Err(StoreError::IdempotencyKeyUsed)), "a key is used once: {used:?}");
    }
    let logged = everything(store.as_ref(), &["orders.placed"]).await;
    assert_eq!(logged.len(), 6, "a command whose key is used appends nothing");
    assert!(logged.is_sorted_by_key(|message| message.position));
}

/// Outcomes are counted by the command's name and how it ended.
pub async fn outcomes_are_counted_by_command(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let of = |command: &str, status| OutcomeRecord { command: command.into(), status, ..outcome(None) };
    for record in [
        of("orders.place", OutcomeStatus::Completed),
        of("orders.cancel", OutcomeStatus::Rejected),
        of("orders.place", OutcomeStatus::Rejected),
        of("orders.place", OutcomeStatus::Completed),
    ] {
        run(store.as_ref(), [Op::Outcome(record)]).await.expect("an outcome is stored");
    }
    let counts = store.command_counts().await.expect("outcomes are counted");
    let expected =
        |command: &str, completed, rejected| CommandCount { command: command.into(), completed, rejected };
    assert_eq!(counts, [expected("orders.cancel", 0, 1), expected("orders.place", 2, 1)]);
}

/// Rejections of durable commands that no handler was named for are listed, oldest first, within the limit.
pub async fn rejections_without_a_handler_are_listed(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let rejection = |seconds, unhandled| OutcomeRecord {
        status: OutcomeStatus::Rejected,
        at: at(seconds),
        unhandled,
        ..outcome(None)
    };
    let records =
        [rejection(30, true), rejection(10, true), rejection(20, false), outcome(None), rejection(15, true)];
    for record in &records {
        run(store.as_ref(), [Op::Outcome(record.clone())]).await.expect("an outcome is stored");
    }
    let listed = store.unhandled_rejections(10).await.expect("rejections are listed");
    let expected = [&records[1], &records[4], &records[0]].map(Clone::clone);
    assert_eq!(listed, expected, "unhandled rejections are listed, oldest first");
    let listed = store.unhandled_rejections(1).await.expect("rejections are listed");
    assert_eq!(listed, expected[..1], "a limit is kept");

    store.acknowledge_rejection(records[1].id).await.expect("a listed rejection is acknowledged");
    let listed = store.unhandled_rejections(10).await.expect("rejections are listed");
    assert_eq!(listed, expected[1..], "what a person has seen is listed no longer");
    for unlisted in [records[1].id, records[2].id, tidings_core::ids::MessageId::new()] {
        let unknown = store.acknowledge_rejection(unlisted).await;
        assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "not listed: {unknown:?}");
    }
    assert!(
        store.outcome_of(records[1].id).await.expect("an outcome is looked up").is_some(),
        "it stays on record"
    );
}

/// Of many commands with one key that run at the same time, exactly one commits, and its outcome is on record.
pub async fn of_many_with_one_key_one_commits(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    for round in 0..5 {
        let scope = scope("edge", "orders.place", &round.to_string());
        let mut commands = JoinSet::new();
        for _ in 0..16 {
            let (store, record) = (Arc::clone(&store), outcome(Some(scope.clone())));
            commands.spawn(async move {
                let mut effect = event("orders.placed", "1");
                effect.causation_id = Some(record.id);
                let ops = [Op::Append(vec![effect]), Op::Outcome(record.clone())];
                (record, run(store.as_ref(), ops).await)
            });
        }
        let mut committed = Vec::new();
        while let Some(command) = commands.join_next().await {
            match command.expect("a command ends") {
                (record, Ok(())) => committed.push(record),
                (_, Err(StoreError::IdempotencyKeyUsed)) => {}
                (_, Err(error)) => panic!("a command with a used key is told so, not {error:?}"),
            }
        }
        assert_eq!(committed.len(), 1, "of many commands with one key, one commits");
        assert_eq!(
            found(store.as_ref(), &scope, 2).await.as_ref(),
            committed.first(),
            "its outcome is on record"
        );
        let effects = everything(store.as_ref(), &["orders.placed"]).await;
        assert_eq!(effects.len(), round + 1, "and its effects are the only ones");
        let effect = effects.last().map(|effect| effect.envelope.causation_id);
        assert_eq!(effect, committed.first().map(|record| Some(record.id)));
    }
}
