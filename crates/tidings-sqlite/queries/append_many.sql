-- All messages in one statement, as one JSON array of arrays: over sqlx each statement costs a thread hop.
INSERT INTO tidings_log (id, kind, name, version, source, key, time, correlation_id, causation_id,
                         traceparent, tracestate, baggage, reply_to, data)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
       unhex(value ->> 7), unhex(value ->> 8), value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13
FROM json_each(?1)
ORDER BY json_each.id
