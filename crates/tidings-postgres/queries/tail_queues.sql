-- What a look at each of these queues ($1) tells: whether anything is ready or has its turn to be decided, and when the next one
-- that waits for its time is due. Four entries of indexes for each: the conditions are those of the indexes, word for word, and so
-- is the order, without which the planner reads the table until it finds one, or to its end. What runs is passed over by nobody
-- here, so a queue that has something under way may be told of in vain.
SELECT q.name,
       coalesce((SELECT true FROM tidings_jobs_live AS l
                 WHERE l.queue = q.name AND l.turn < 100002 AND (l.share IS NULL OR l.turn >= 100000)
                 ORDER BY l.turn, l.place LIMIT 1),
                (SELECT true FROM tidings_jobs_live AS l
                 WHERE l.queue = q.name AND l.share IS NOT NULL AND l.turn < 100000
                 ORDER BY l.turn, l.share, l.place LIMIT 1),
                (SELECT true FROM tidings_key_marks AS m WHERE m.queue = q.name LIMIT 1), false) AS ready,
       (SELECT l.waits_until FROM tidings_jobs_live AS l WHERE l.queue = q.name AND l.waits_until IS NOT NULL
        ORDER BY l.waits_until LIMIT 1) AS next
FROM unnest($1::text[]) AS q (name)
