SELECT position, id, kind, name, version, source, key, time, causation_id, traceparent, reply_to
FROM tidings_log
WHERE correlation_id = $1
ORDER BY position
