-- The states that have no turn, and those that run. Those that have ended are few, for retention takes them.
SELECT queue, 'running', count(*) FROM tidings_claims AS c CROSS JOIN tidings_jobs AS j ON j.place = c.place GROUP BY queue
UNION ALL
SELECT queue, 'scheduled', count(*) FROM tidings_jobs WHERE waits_until IS NOT NULL GROUP BY queue
UNION ALL
SELECT queue, 'behind', count(*) FROM tidings_jobs WHERE holds = 1 AND state = 'behind' GROUP BY queue
UNION ALL
SELECT queue, 'behind', count(*) FROM tidings_jobs WHERE holds = 2 AND state = 'behind' GROUP BY queue
UNION ALL
SELECT queue, state, count(*) FROM tidings_jobs WHERE ended_at IS NOT NULL GROUP BY queue, state
