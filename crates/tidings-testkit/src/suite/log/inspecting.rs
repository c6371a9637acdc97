//! The read API.

use tidings_core::envelope::Envelope;
use tidings_core::ids::MessageId;
use tidings_core::store::Start;

use crate::factory::StoreFactory;
use crate::script::run;
use crate::suite::support::*;

/// Messages are found by id, flows come whole and in order, counts add up.
pub async fn messages_flows_and_counts(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let roots = [keyless("orders.placed"), keyless("orders.placed")];
    let caused = |root: &Envelope, name: &str| Envelope {
        correlation_id: root.id,
        causation_id: Some(root.id),
        ..keyless(name)
    };
    let mut messages = roots.to_vec();
    for name in ["orders.paid", "orders.packed", "orders.paid"] {
        messages.push(caused(&roots[0], name));
    }
    messages.push(caused(&roots[1], "orders.paid"));
    for message in &messages {
        append(store.as_ref(), std::slice::from_ref(message)).await;
    }
    for root in &roots {
        let expected: Vec<_> =
            messages.iter().filter(|m| m.correlation_id == root.id).map(|m| m.id).collect();
        let flow = store.flow(root.id).await.expect("a flow is read");
        assert_eq!(ids(&flow), expected, "a flow comes whole and in order");
    }
    assert_eq!(store.message(MessageId::new()).await.expect("a message is looked up"), None);
    assert!(store.flow(MessageId::new()).await.expect("a flow is read").is_empty());

    let mut sizes: Vec<_> =
        store.flow_sizes(10).await.expect("flows are listed").into_iter().map(|f| f.messages).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 4], "flows are listed with their sizes");
    assert_eq!(store.flow_sizes(1).await.expect("flows are listed").len(), 1, "a limit is kept");
    let counts = store.counts().await.expect("messages are counted");
    let counts: Vec<_> = counts.iter().map(|count| (&*count.name, count.count)).collect();
    assert_eq!(counts, [("orders.paid", 3), ("orders.placed", 2), ("orders.packed", 1)], "most first");
}

/// Lag is the number of matching messages after the cursor.
pub async fn lag_counts_matching_messages(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 2)).await;
    let mut consumer = Consumer::enter(store.as_ref(), "suite.worker", &["orders.placed"], Start::Now).await;
    assert_eq!(consumer.status(store.as_ref()).await.lag, 0, "lag starts at the start");
    append(store.as_ref(), &events("orders.placed", 5)).await;
    append(store.as_ref(), &events("orders.paid", 5)).await;
    assert_eq!(consumer.status(store.as_ref()).await.lag, 5, "lag counts matching messages only");
    let batch = store.read_after(&consumer.cursor, &consumer.filter, 3).await.expect("a batch is read");
    assert_eq!(batch.messages.len(), 3);
    consumer.cursor = batch.cursors[1].clone();
    run(store.as_ref(), [consumer.advance(None)]).await.expect("a cursor moves");
    assert_eq!(consumer.status(store.as_ref()).await.lag, 3, "lag shrinks with the cursor");
}
