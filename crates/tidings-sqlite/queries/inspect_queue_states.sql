SELECT queue, state, count(*) FROM tidings_jobs GROUP BY queue, state
