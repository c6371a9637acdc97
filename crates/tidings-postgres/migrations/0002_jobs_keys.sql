-- A word on the settings that functions come with. A plan is made once for each session, maybe while a table is empty, and kept when
-- it has a million rows; so what would be right for an empty table only (to read all of it) is made as good as impossible. The
-- planner then counts with costs at which it would compile (jit), which takes longer than all the rest.

-- Order per key: of the jobs of one queue and key one has its turn. Whoever enqueues a job with a key, or ends an attempt of
-- one, does not decide who that is, since others may be doing the same: he leaves a mark, and the job waits (`turn` and
-- `waits_until` are NULL). Decisions are made from the marks, by whoever has the queue's lock, before anything is claimed.
--
-- Who has the key (`holds = 2`) and is to be tried again keeps it, if no other one is ready, running or dead beside it (that
-- happens where queues have become one) and nobody else's attempt has ended after its own; else it waits with the others. When
-- nobody has the key, the oldest that waits does.

-- What the marks decide, for those whose row has to change. Reading it changes nothing, so a job is listed as ready that no
-- claim has looked at yet.
CREATE VIEW tidings_key_turns AS
SELECT k.queue, k.key, x.place, x.holds, x.turn, x.waits_until
FROM (SELECT queue, key, max(at) AS at,
             (array_agg(place ORDER BY n DESC) FILTER (WHERE place IS NOT NULL))[1] AS last_ended
      FROM tidings_key_marks GROUP BY queue, key) AS k
CROSS JOIN LATERAL (
    SELECT CASE WHEN NOT EXISTS (SELECT FROM tidings_jobs_live AS l
                                 WHERE l.queue = k.queue AND l.key = k.key AND l.holds = 2
                                   AND (l.turn IS NOT NULL OR l.waits_until IS NOT NULL))
                THEN coalesce(
                    (SELECT l.place FROM tidings_jobs_live AS l
                     WHERE l.queue = k.queue AND l.key = k.key AND l.holds = 2 AND l.place = k.last_ended),
                    least((SELECT min(l.place) FROM tidings_jobs_live AS l
                           WHERE l.queue = k.queue AND l.key = k.key AND l.holds = 1),
                          (SELECT min(l.place) FROM tidings_jobs_live AS l
                           WHERE l.queue = k.queue AND l.key = k.key AND l.holds = 2)))
           END AS place
    OFFSET 0) AS head
CROSS JOIN LATERAL (
    SELECT l.place, 2::smallint AS holds,
           CASE WHEN l.losses > 0 THEN 100000 WHEN l.due <= k.at THEN l.priority END AS turn,
           CASE WHEN l.losses = 0 AND l.due > k.at THEN l.due END AS waits_until
    FROM tidings_jobs_live AS l WHERE l.place = head.place
    UNION ALL
    SELECT l.place, 1::smallint, NULL::integer, NULL::bigint
    FROM tidings_jobs_live AS l
    WHERE l.queue = k.queue AND l.key = k.key AND l.holds = 2
      AND l.turn IS NULL AND l.waits_until IS NULL AND l.place IS DISTINCT FROM head.place
    OFFSET 0) AS x;

-- The number of a queue's lock. Schemas of one database have queues of their own.
CREATE FUNCTION tidings_queue_lock(p_queue text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashtextextended('tidings ' || current_schema() || ' ' || p_queue, 7)
$$;

-- Takes the locks of queues, always in the same order.
CREATE FUNCTION tidings_lock_queues(p_queues text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lock bigint;
BEGIN
    FOR lock IN SELECT DISTINCT tidings_queue_lock(q) FROM unnest(p_queues) AS q ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(lock);
    END LOOP;
END $$;

-- Lets those run whose turn it is, under the queue's lock; says whether there may be more marks to look at. A mark that is
-- committed after the first look stays for the next one: to decide twice decides the same.
CREATE FUNCTION tidings_promote_some(p_queue text) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    marks bigint[];
    keys text[];
    t record;
BEGIN
    SELECT array_agg(m.n), array_agg(DISTINCT m.key) INTO marks, keys
    FROM (SELECT n, key FROM tidings_key_marks WHERE queue = p_queue ORDER BY n LIMIT 2000) AS m;
    IF marks IS NULL THEN
        RETURN false;
    END IF;
    FOR t IN SELECT * FROM tidings_key_turns AS k WHERE k.queue = p_queue AND k.key = ANY (keys) LOOP
        UPDATE tidings_jobs_live SET holds = t.holds, turn = t.turn, waits_until = t.waits_until WHERE place = t.place;
    END LOOP;
    DELETE FROM tidings_key_marks WHERE n = ANY (marks) AND queue = p_queue;
    RETURN cardinality(marks) = 2000;
END $$;

CREATE FUNCTION tidings_promote(p_queues text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    q text;
BEGIN
    FOREACH q IN ARRAY p_queues LOOP
        WHILE tidings_promote_some(q) LOOP
        END LOOP;
    END LOOP;
END $$;
