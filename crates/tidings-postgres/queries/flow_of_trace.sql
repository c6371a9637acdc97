-- A look at every message and job: an index by trace would cost every append, and only people ask.
SELECT correlation_id
FROM (SELECT correlation_id, time AS at FROM tidings_log WHERE substr(traceparent, 4, 32) = $1
      UNION ALL
      SELECT correlation_id, at FROM tidings_jobs WHERE substr(traceparent, 4, 32) = $1) found
GROUP BY correlation_id
ORDER BY min(at), correlation_id
