-- A look at every message: an index by trace would cost every append, and only people ask. Jobs join with UNION ALL.
SELECT correlation_id
FROM (SELECT correlation_id, time AS at FROM tidings_log WHERE substr(traceparent, 4, 32) = $1) found
GROUP BY correlation_id
ORDER BY min(at), correlation_id
