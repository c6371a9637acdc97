-- ?19 is its state, with the turn or the time that belong to it. A unique key that is taken leaves no row changed.
INSERT INTO tidings_jobs (id, name, queue, priority, due, at, key, share, unique_key, unique_wish, unique_hash, unique_until,
                          source, correlation_id, causation_id, traceparent, tracestate, baggage, data,
                          state, turn, waits_until, holds)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
        ?7 IS NOT NULL)
ON CONFLICT (name, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
