-- What a look at each of these queues ($1) tells: whether anything is ready or has its turn to be decided, and when the next one
-- that waits for its time is due. Three entries of indexes for each; what runs is passed over by nobody here, so a queue that has
-- something under way may be told of in vain.
SELECT q.name,
       EXISTS (SELECT FROM tidings_jobs_live AS l WHERE l.queue = q.name AND l.turn < 100002)
           OR EXISTS (SELECT FROM tidings_key_marks AS m WHERE m.queue = q.name) AS ready,
       (SELECT l.waits_until FROM tidings_jobs_live AS l WHERE l.queue = q.name AND l.waits_until IS NOT NULL
        ORDER BY l.waits_until LIMIT 1) AS next
FROM unnest($1::text[]) AS q (name)
