-- In the order of likelihood; the first that is found ends the search.
SELECT correlation_id FROM tidings_log WHERE id = $1
UNION ALL SELECT correlation_id FROM tidings_jobs WHERE id = $1
UNION ALL SELECT correlation_id FROM tidings_outcomes WHERE id = $1
UNION ALL (SELECT correlation_id FROM tidings_log WHERE correlation_id = $1 LIMIT 1)
UNION ALL (SELECT correlation_id FROM tidings_jobs WHERE correlation_id = $1 LIMIT 1)
UNION ALL (SELECT correlation_id FROM tidings_outcomes WHERE correlation_id = $1 AND causation_id IS NOT NULL LIMIT 1)
LIMIT 1
