-- One statement for a whole batch: UNNEST is many times faster than single inserts. Positions are drawn in the order of
-- the sorted rows.
INSERT INTO tidings_log (id, kind, name, version, source, key, time, correlation_id, causation_id,
                         traceparent, tracestate, baggage, reply_to, data, slot)
SELECT id, kind, name, version, source, key, time, correlation_id, causation_id,
       traceparent, tracestate, baggage, reply_to, data, slot
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::uuid[],
            $9::uuid[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
            $15::smallint[])
     WITH ORDINALITY AS m (id, kind, name, version, source, key, time, correlation_id, causation_id,
                           traceparent, tracestate, baggage, reply_to, data, slot, ord)
ORDER BY ord
