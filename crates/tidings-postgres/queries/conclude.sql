-- outcome_insert and append_many in one round trip. The outcome comes first: while somebody else has the key nothing is
-- appended, and where it is used nothing is.
WITH outcome AS (
    INSERT INTO tidings_outcomes (id, command, correlation_id, causation_id, caller, key, payload_hash, status, body, at,
                                  expires, unhandled)
    VALUES ($16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)
    ON CONFLICT (caller, command, key) WHERE key IS NOT NULL DO UPDATE
    SET id = excluded.id, correlation_id = excluded.correlation_id, causation_id = excluded.causation_id,
        payload_hash = excluded.payload_hash, status = excluded.status, body = excluded.body, at = excluded.at,
        expires = excluded.expires, unhandled = excluded.unhandled
    WHERE tidings_outcomes.expires <= excluded.at
    RETURNING 1
), appended AS (
    INSERT INTO tidings_log (id, kind, name, version, source, key, time, correlation_id, causation_id,
                             traceparent, tracestate, baggage, reply_to, data, slot)
    SELECT m.id, m.kind, m.name, m.version, m.source, m.key, m.time, m.correlation_id, m.causation_id,
           m.traceparent, m.tracestate, m.baggage, m.reply_to, m.data, m.slot
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::uuid[],
                $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::smallint[])
         WITH ORDINALITY AS m (id, kind, name, version, source, key, time, correlation_id, causation_id,
                               traceparent, tracestate, baggage, reply_to, data, slot, ord)
    WHERE EXISTS (SELECT 1 FROM outcome)
    ORDER BY m.ord
    RETURNING position
)
SELECT (SELECT count(*) FROM outcome) AS outcomes, (SELECT max(position) FROM appended) AS newest
