-- Shares take turns.

-- Takes at most so many jobs of a queue that has jobs with shares, in the order in which they start, and moves the rounds on. Under
-- the queue's lock. Of each priority the first job of each share is found by one look at the index, from the share after
-- the one that was served last and around, until there are enough or all have been asked; then, while there is room, the
-- second job of each, and so on. So it costs what it takes, and what it has to pass because it runs; how many shares there are,
-- and how many jobs they have, does not matter.
--
-- Equality with a share, or with a priority, is written as two bounds where a row is to be found by the index of its order: knowing
-- them to be equal, the planner might as well look through the primary key.
CREATE FUNCTION tidings_take_turns(p_queue text, p_names text[], p_limit bigint) RETURNS bigint[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    of_turn integer := -100000;
    served text COLLATE "C";
    taken bigint[] := '{}';
    these bigint[];
    last text;
    has_shares boolean;
    room bigint;
BEGIN
    LOOP
        room := p_limit - cardinality(taken);
        EXIT WHEN room <= 0;
        of_turn := least(
            (SELECT l.turn FROM tidings_jobs_live AS l
             WHERE l.queue = p_queue AND l.turn > of_turn AND l.turn < 100000 AND l.share IS NULL ORDER BY l.turn LIMIT 1),
            (SELECT l.turn FROM tidings_jobs_live AS l
             WHERE l.queue = p_queue AND l.turn > of_turn AND l.turn < 100000 AND l.share IS NOT NULL ORDER BY l.turn LIMIT 1));
        EXIT WHEN of_turn IS NULL;
        served := coalesce((SELECT r.share FROM tidings_rounds AS r WHERE r.queue = p_queue AND r.priority = of_turn), '');
        WITH RECURSIVE running AS MATERIALIZED (
            SELECT u.place, u.attempts FROM tidings_claims AS c
            CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts) WHERE c.queue = p_queue),
        ahead AS (
            SELECT 0::bigint AS n, served AS share, NULL::bigint AS place
            UNION ALL
            SELECT a.n + 1, l.share, l.place FROM ahead AS a CROSS JOIN LATERAL (
                SELECT j.share, j.place FROM tidings_jobs_live AS j
                WHERE j.queue = p_queue AND j.turn = of_turn AND j.turn < 100000 AND j.share > a.share
                  AND j.name = ANY (p_names) AND (j.place, j.attempts) NOT IN (SELECT r.place, r.attempts FROM running AS r)
                ORDER BY j.share, j.place LIMIT 1) AS l
            WHERE a.n < room),
        behind AS (
            SELECT 0::bigint AS n, '' COLLATE "C" AS share, NULL::bigint AS place
            UNION ALL
            SELECT b.n + 1, l.share, l.place FROM behind AS b CROSS JOIN LATERAL (
                SELECT j.share, j.place FROM tidings_jobs_live AS j
                WHERE j.queue = p_queue AND j.turn = of_turn AND j.turn < 100000 AND j.share > b.share AND j.share <= served
                  AND j.name = ANY (p_names) AND (j.place, j.attempts) NOT IN (SELECT r.place, r.attempts FROM running AS r)
                ORDER BY j.share, j.place LIMIT 1) AS l
            WHERE b.n < room),
        firsts AS (
            SELECT 0 AS part, a.n, a.share, a.place FROM ahead AS a WHERE a.n > 0
            UNION ALL
            SELECT 1, 0, '', l.place FROM (
                SELECT j.place FROM tidings_jobs_live AS j
                WHERE j.queue = p_queue AND j.turn >= of_turn AND j.turn <= of_turn AND j.turn < 100000 AND j.share IS NULL
                  AND j.name = ANY (p_names) AND (j.place, j.attempts) NOT IN (SELECT r.place, r.attempts FROM running AS r)
                ORDER BY j.turn, j.place LIMIT 1) AS l
            UNION ALL
            SELECT 2, b.n, b.share, b.place FROM behind AS b WHERE b.n > 0),
        rounds AS (
            SELECT 1 AS round, f.part, f.n, f.share, f.place, count(*) OVER () AS sum
            FROM (SELECT * FROM firsts ORDER BY part, n LIMIT room) AS f
            UNION ALL
            SELECT r.round + 1, r.part, r.n, r.share, l.place, r.sum + count(*) OVER ()
            FROM rounds AS r CROSS JOIN LATERAL (
                (SELECT j.place FROM tidings_jobs_live AS j
                 WHERE r.part <> 1 AND j.queue = p_queue AND j.turn = of_turn AND j.turn < 100000
                   AND (j.share, j.place) > (r.share, r.place) AND j.share <= r.share
                   AND j.name = ANY (p_names) AND (j.place, j.attempts) NOT IN (SELECT u.place, u.attempts FROM running AS u)
                 ORDER BY j.share, j.place LIMIT 1)
                UNION ALL
                (SELECT j.place FROM tidings_jobs_live AS j
                 WHERE r.part = 1 AND j.queue = p_queue AND (j.turn, j.place) > (of_turn, r.place) AND j.turn <= of_turn
                   AND j.turn < 100000 AND j.share IS NULL
                   AND j.name = ANY (p_names) AND (j.place, j.attempts) NOT IN (SELECT u.place, u.attempts FROM running AS u)
                 ORDER BY j.turn, j.place LIMIT 1)) AS l
            WHERE r.sum < room)
        SELECT array_agg(t.place ORDER BY t.round, t.part, t.n), (array_agg(t.share ORDER BY t.round DESC, t.part DESC, t.n DESC))[1],
               EXISTS (SELECT FROM firsts AS f WHERE f.part <> 1)
        INTO these, last, has_shares
        FROM (SELECT * FROM rounds ORDER BY round, part, n LIMIT room) AS t;
        taken := taken || these;
        -- Where nobody had anything but those without a share, it was nobody's turn.
        IF has_shares THEN
            INSERT INTO tidings_rounds AS r (queue, priority, share) VALUES (p_queue, of_turn, last)
            ON CONFLICT (queue, priority) DO UPDATE SET share = EXCLUDED.share;
        END IF;
    END LOOP;
    RETURN taken;
END $$;

-- Begins attempts of jobs that nobody is at, under the lock of their queue.
CREATE FUNCTION tidings_begin(p_claim bigint, p_worker bigint, p_queue text, p_places bigint[], p_is_limited boolean, p_now bigint)
RETURNS TABLE (place bigint, id uuid, name text, key text, attempts integer, is_plain boolean, failures integer, losses integer,
               at bigint, correlation_id uuid, causation_id uuid, traceparent text, tracestate text, baggage text,
               progress text, data text)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO tidings_claims (n, worker, queue, places, attempts, started_at, is_limited)
    SELECT p_claim, p_worker, p_queue, array_agg(l.place), array_agg(l.attempts), p_now, p_is_limited
    FROM unnest(p_places) AS u (place)
    CROSS JOIN LATERAL (SELECT s.place, s.attempts FROM tidings_jobs_live AS s WHERE s.place = u.place OFFSET 0) AS l
    HAVING count(*) > 0;
    RETURN QUERY
    SELECT l.place, j.id, l.name, l.key, l.attempts, l.key IS NULL AND NOT l.is_unique, l.failures, l.losses, j.at,
           j.correlation_id, j.causation_id, j.traceparent, j.tracestate, j.baggage, l.progress, j.data
    FROM unnest(p_places) WITH ORDINALITY AS u (place, n)
    CROSS JOIN LATERAL (SELECT * FROM tidings_jobs_live AS s WHERE s.place = u.place OFFSET 0) AS l
    CROSS JOIN LATERAL (SELECT * FROM tidings_jobs AS s WHERE s.place = u.place OFFSET 0) AS j
    ORDER BY u.n;
END $$;
