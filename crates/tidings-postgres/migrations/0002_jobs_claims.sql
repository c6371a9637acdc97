-- How jobs come in and are claimed.

-- Enqueues jobs with keys, and those beside them, in order. Answers of those that are not new: their number, the job that has
-- their unique key, and whether its payload is the same. Who waits for a unique key that another transaction is about to take waits for that transaction.
CREATE FUNCTION tidings_enqueue(p_ids uuid[], p_names text[], p_queues text[], p_priorities smallint[], p_dues bigint[],
                                p_ats bigint[], p_keys text[], p_shares text[], p_uniques text[], p_hashes bytea[], p_untils bigint[],
                                p_sources text[], p_correlations uuid[], p_causations uuid[], p_traceparents text[],
                                p_tracestates text[], p_baggages text[], p_data text[])
RETURNS TABLE (number integer, taken_by uuid, is_same boolean) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
DECLARE
    places bigint[];
    u record;
    there record;
BEGIN
    places := ARRAY(SELECT nextval('tidings_job_places') FROM generate_series(1, cardinality(p_ids)));
    -- In one order for all callers, so that none waits for another that waits for it.
    FOR u IN SELECT n.i::integer AS i, n.name, n.unique_key, n.hash, n.until, n.at
             FROM unnest(p_names, p_uniques, p_hashes, p_untils, p_ats)
                  WITH ORDINALITY AS n (name, unique_key, hash, until, at, i)
             WHERE n.unique_key IS NOT NULL ORDER BY n.name, n.unique_key, n.i LOOP
        LOOP
            -- A key outlives its job only until its time.
            DELETE FROM tidings_unique AS t
            WHERE t.name = u.name AND t.unique_key = u.unique_key AND t.until <= u.at
              AND NOT EXISTS (SELECT FROM tidings_jobs_live AS l WHERE l.place = t.place)
              AND array_position(places, t.place) IS NULL;
            INSERT INTO tidings_unique AS t (name, unique_key, place, hash, until)
            VALUES (u.name, u.unique_key, places[u.i], u.hash, u.until)
            ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
            SELECT t.place, t.hash = u.hash AS is_same INTO there
            FROM tidings_unique AS t WHERE t.name = u.name AND t.unique_key = u.unique_key;
            CONTINUE WHEN NOT FOUND; -- it has been let go meanwhile
            number := u.i;
            is_same := there.is_same;
            taken_by := coalesce(p_ids[array_position(places, there.place)],
                                 (SELECT j.id FROM tidings_jobs AS j WHERE j.place = there.place));
            RETURN NEXT;
            places[u.i] := NULL;
            EXIT;
        END LOOP;
    END LOOP;
    INSERT INTO tidings_key_marks (queue, key, at)
    SELECT n.queue, n.key, max(n.at) FROM unnest(places, p_queues, p_keys, p_ats) AS n (place, queue, key, at)
    WHERE n.place IS NOT NULL AND n.key IS NOT NULL GROUP BY n.queue, n.key;
    INSERT INTO tidings_jobs (place, id, name, priority, due, at, key, share, unique_key, unique_hash, unique_until, source,
                              correlation_id, causation_id, traceparent, tracestate, baggage, data)
    SELECT * FROM unnest(places, p_ids, p_names, p_priorities, p_dues, p_ats, p_keys, p_shares, p_uniques, p_hashes, p_untils,
                         p_sources, p_correlations, p_causations, p_traceparents, p_tracestates, p_baggages, p_data)
                  AS n (place, id, name, priority, due, at, key, share, unique_key, hash, until, source, correlation_id,
                        causation_id, traceparent, tracestate, baggage, data)
    WHERE n.place IS NOT NULL;
    INSERT INTO tidings_jobs_live (place, queue, name, priority, holds, is_unique, turn, waits_until, due, key, share)
    SELECT n.place, n.queue, n.name, n.priority, CASE WHEN n.key IS NULL THEN 0 ELSE 1 END, n.unique_key IS NOT NULL,
           CASE WHEN n.key IS NULL AND n.due <= n.at THEN n.priority END,
           CASE WHEN n.key IS NULL AND n.due > n.at THEN n.due END,
           CASE WHEN n.key IS NOT NULL THEN n.due END, n.key, n.share
    FROM unnest(places, p_queues, p_names, p_priorities, p_dues, p_ats, p_keys, p_shares, p_uniques)
         AS n (place, queue, name, priority, due, at, key, share, unique_key)
    WHERE n.place IS NOT NULL;
END $$;

-- Deletes the claims of a worker of which all attempts have ended, and shortens those of which half have. Returns how many are
-- under way. What others are at, in transactions that are open, is passed over.
CREATE FUNCTION tidings_sweep_claims(p_worker bigint, p_queue text) RETURNS bigint LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    c record;
    places_left bigint[];
    attempts_left integer[];
    under_way bigint := 0;
BEGIN
    FOR c IN SELECT n, places, attempts FROM tidings_claims
             WHERE queue = p_queue AND worker = p_worker FOR UPDATE SKIP LOCKED LOOP
        SELECT array_agg(u.place), array_agg(u.attempts) INTO places_left, attempts_left
        FROM unnest(c.places, c.attempts) AS u (place, attempts)
        CROSS JOIN LATERAL (SELECT FROM tidings_jobs_live AS l
                            WHERE l.place = u.place AND l.attempts = u.attempts OFFSET 0) AS l;
        IF places_left IS NULL THEN
            DELETE FROM tidings_claims WHERE n = c.n;
        ELSIF 2 * cardinality(places_left) <= cardinality(c.places) THEN
            UPDATE tidings_claims SET places = places_left, attempts = attempts_left WHERE n = c.n;
        END IF;
        under_way := under_way + coalesce(cardinality(places_left), 0);
    END LOOP;
    RETURN under_way;
END $$;

-- The oldest suspect of these queues, but for paused ones, and names that can be claimed now, under their locks.
CREATE FUNCTION tidings_waiting_suspect(p_queues text[], p_names text[]) RETURNS bigint LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    RETURN (SELECT min(s.place) FROM (
        SELECT l.place FROM tidings_jobs_live AS l
        WHERE l.queue = ANY (p_queues) AND l.turn = 100000 AND l.name = ANY (p_names)
          AND NOT EXISTS (SELECT FROM tidings_queues AS q WHERE q.name = l.queue AND q.paused_at IS NOT NULL)
          AND (l.place, l.attempts) NOT IN (
              SELECT u.place, u.attempts FROM tidings_claims AS c
              CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts))
        OFFSET 0) AS s);
END $$;

-- How many attempts of a queue's jobs are under way, under its lock. Where a name has changed its queue an attempt is in
-- several claims, and its job is in one queue.
CREATE FUNCTION tidings_under_way(p_queue text) RETURNS bigint LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    RETURN (SELECT count(*) FROM (
        SELECT DISTINCT u.place FROM tidings_claims AS c
        CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts)
        CROSS JOIN LATERAL (SELECT FROM tidings_jobs_live AS l
                            WHERE l.place = u.place AND l.attempts = u.attempts AND l.queue = p_queue OFFSET 0) AS l
        WHERE c.queue = p_queue) AS r);
END $$;

-- Ends attempts, and then claims jobs of one queue that may run now. The last row says what became of the ends, whether there
-- may be more, when to look again, and how many attempts a sweep found under way; those before it are the jobs.
--
-- The lock is taken in a statement of its own: the next one sees what the last claim has taken. The jobs are found in the order
-- of the index, past those that are running, and by a plan that was made for a large table, however small it is now.
CREATE FUNCTION tidings_end_and_claim(
    p_workers bigint[], p_claims bigint[], p_places bigint[], p_attempts integer[], p_batch integer, p_ends text[],
    p_dues bigint[], p_texts text[], p_deaths text[], p_releases boolean[], p_at bigint, p_kept integer,
    p_worker bigint, p_queue text, p_names text[], p_limit bigint, p_now bigint, p_step bigint, p_tolerance bigint,
    p_running_max bigint, p_staged_max integer, p_sweeps boolean)
RETURNS TABLE (
    completed bigint[], tried integer[], others integer[], queues text[], claim bigint, more boolean, next_at bigint, under_way bigint,
    place bigint, id uuid, name text, key text, attempts integer, is_plain boolean, failures integer, losses integer,
    at bigint, correlation_id uuid, causation_id uuid, traceparent text, tracestate text, baggage text, progress text,
    data text)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
DECLARE
    q record;
    room bigint;
    free bigint;
    slots bigint;
    freed text[];
    staged integer;
    held_until bigint;
    most bigint := p_limit;
    taken bigint;
    ended record;
BEGIN
    more := false;
    IF cardinality(p_places) > 0 THEN
        SELECT * INTO ended FROM tidings_end(p_workers, p_claims, p_places, p_attempts, p_batch, p_ends, p_dues, p_texts,
                                             p_deaths, p_releases, p_at, p_kept);
        completed := ended.completed;
        tried := ended.tried;
        others := ended.others;
        freed := ended.freed;
        queues := ended.queues || freed;
        -- Claims of which all was completed just now are of no more use.
        IF cardinality(completed) = cardinality(p_places) THEN
            FOR q IN SELECT u.n, count(*) AS count FROM unnest(p_claims) AS u (n) GROUP BY u.n LOOP
                DELETE FROM tidings_claims AS c WHERE c.n = q.n AND cardinality(c.places) = q.count;
            END LOOP;
        END IF;
    END IF;
    PERFORM pg_advisory_xact_lock(tidings_queue_lock(p_queue));
    IF p_sweeps THEN
        under_way := tidings_sweep_claims(p_worker, p_queue);
    END IF;
    SELECT s.paused_at, s.next_free INTO q FROM tidings_queues AS s WHERE s.name = p_queue;
    IF q.paused_at IS NOT NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- Whoever takes the worker for lost waits for this transaction, or passes the worker over for now.
    PERFORM FROM tidings_workers AS w WHERE w.id = p_worker FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;
    more := tidings_promote_some(p_queue);
    -- Delayed jobs whose time has come. They are kept apart so that those whose time is far off cost a claim nothing.
    UPDATE tidings_jobs_live SET turn = priority, waits_until = NULL
    WHERE place = ANY (ARRAY(SELECT l.place FROM tidings_jobs_live AS l WHERE l.queue = p_queue AND l.waits_until <= p_now
                             ORDER BY l.waits_until LIMIT p_staged_max));
    GET DIAGNOSTICS staged = ROW_COUNT;
    more := more OR staged = p_staged_max;
    IF p_step IS NOT NULL THEN
        -- No start has ever moved it further ahead than this; the clock was, and has been set back since. By more than a minute: clocks of
        -- processes differ, and `p_now` is from before the lock was waited for.
        free := CASE WHEN q.next_free <= p_now + p_tolerance + p_step + 60000000 THEN greatest(q.next_free, p_now) ELSE p_now END;
        room := p_now + p_tolerance - free;
        most := CASE WHEN room < 0 THEN 0 ELSE least(room / p_step + 1, p_limit) END;
    END IF;
    IF p_running_max IS NOT NULL THEN
        -- One is kept free for a suspect that waits.
        slots := p_running_max - tidings_under_way(p_queue)
               - (tidings_waiting_suspect(ARRAY[p_queue], p_names) IS NOT NULL)::integer;
        most := greatest(least(most, slots), 0);
    END IF;
    claim := tidings_claim_number();
    RETURN QUERY
    WITH picked AS MATERIALIZED (
        SELECT l.place, l.attempts, l.name, l.key, l.is_unique, l.failures, l.losses, l.progress
        FROM tidings_jobs_live AS l
        WHERE l.queue = p_queue AND l.turn < 100000 AND l.share IS NULL AND l.name = ANY (p_names)
          AND (l.place, l.attempts) NOT IN (
              SELECT u.place, u.attempts FROM tidings_claims AS c
              CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts) WHERE c.queue = p_queue)
          AND NOT EXISTS (SELECT FROM tidings_jobs_live AS o WHERE o.queue = p_queue AND o.turn < 100000 AND o.share IS NOT NULL)
        ORDER BY l.turn, l.place LIMIT most),
    noted AS (
        INSERT INTO tidings_claims (n, worker, queue, places, attempts, started_at, is_limited)
        SELECT claim, p_worker, p_queue, array_agg(p.place), array_agg(p.attempts), p_now, p_running_max IS NOT NULL
        FROM picked AS p
        HAVING count(*) > 0)
    SELECT NULL::bigint[], NULL::integer[], NULL::integer[], NULL::text[], claim, NULL::boolean, NULL::bigint, NULL::bigint,
           p.place, j.id, p.name, p.key, p.attempts, p.key IS NULL AND NOT p.is_unique, p.failures, p.losses,
           j.at, j.correlation_id, j.causation_id, j.traceparent, j.tracestate, j.baggage, p.progress, j.data
    FROM picked AS p
    CROSS JOIN LATERAL (SELECT * FROM tidings_jobs AS s WHERE s.place = p.place OFFSET 0) AS j;
    GET DIAGNOSTICS taken = ROW_COUNT;
    -- Where some have shares nothing was taken yet. (A condition of two that are easy and one that is a query would cost each claim a
    -- query.)
    IF taken = 0 AND most > 0 THEN
        IF EXISTS (SELECT FROM tidings_jobs_live AS l WHERE l.queue = p_queue AND l.turn < 100000 AND l.share IS NOT NULL) THEN
            RETURN QUERY
            SELECT NULL::bigint[], NULL::integer[], NULL::integer[], NULL::text[], claim, NULL::boolean, NULL::bigint,
                   NULL::bigint, b.*
            FROM tidings_begin(claim, p_worker, p_queue, tidings_take_turns(p_queue, p_names, most), p_running_max IS NOT NULL,
                               p_now) AS b;
            GET DIAGNOSTICS taken = ROW_COUNT;
        END IF;
    END IF;
    IF p_step IS NOT NULL AND taken > 0 THEN
        free := least(free::numeric + p_step::numeric * taken, 9000000000000000000)::bigint;
        INSERT INTO tidings_queues AS s (name, next_free) VALUES (p_queue, free)
        ON CONFLICT (name) DO UPDATE SET next_free = free;
    END IF;
    IF taken = most THEN
        -- Where what runs is the bound, what is left has to wait for an end; where the rate is, for its time.
        IF slots <= most THEN
            more := false;
        ELSIF most < p_limit THEN
            held_until := greatest(free - p_tolerance, p_now);
            more := false;
        ELSE
            more := true;
        END IF;
    END IF;
    IF cardinality(freed) > 0 AND taken >= cardinality(p_places) THEN
        -- The room that the ends have made is taken again.
        queues := ended.queues || array_remove(freed, p_queue);
    END IF;
    SELECT least(held_until, l.waits_until) INTO next_at FROM (SELECT) AS _
    LEFT JOIN (SELECT w.waits_until FROM tidings_jobs_live AS w WHERE w.queue = p_queue AND w.waits_until > p_now
               ORDER BY w.waits_until LIMIT 1) AS l ON true;
    RETURN NEXT;
END $$;

-- Claims the oldest suspect of these queues and names. `p_running_max` says of each queue how many attempts of its jobs may be
-- under way.
CREATE FUNCTION tidings_claim_suspect(p_worker bigint, p_queues text[], p_running_max bigint[], p_names text[], p_now bigint)
RETURNS TABLE (claim bigint, queue text, place bigint, id uuid, name text, key text, attempts integer, is_plain boolean,
               failures integer, losses integer, at bigint, correlation_id uuid, causation_id uuid, traceparent text,
               tracestate text, baggage text, progress text, data text)
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
DECLARE
    open_queues text[];
    suspect record;
BEGIN
    PERFORM tidings_lock_queues(p_queues);
    PERFORM FROM tidings_workers AS w WHERE w.id = p_worker FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM tidings_promote(p_queues);
    open_queues := ARRAY(SELECT u.queue FROM unnest(p_queues, p_running_max) AS u (queue, most)
                         WHERE u.most IS NULL OR u.most > tidings_under_way(u.queue));
    SELECT l.place, l.queue INTO suspect FROM tidings_jobs_live AS l
    WHERE l.place = tidings_waiting_suspect(open_queues, p_names);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    claim := tidings_claim_number();
    RETURN QUERY
    SELECT claim, suspect.queue, b.*
    FROM tidings_begin(claim, p_worker, suspect.queue, ARRAY[suspect.place],
                       p_running_max[array_position(p_queues, suspect.queue)] IS NOT NULL, p_now) AS b;
END $$;

-- Which of these queues have suspects of these names that can be claimed now. Asked often, mostly where there are none.
CREATE FUNCTION tidings_suspects(p_queues text[], p_names text[]) RETURNS SETOF text LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    marked text[];
BEGIN
    marked := ARRAY(SELECT q FROM unnest(p_queues) AS q
                    WHERE EXISTS (SELECT FROM tidings_key_marks AS m WHERE m.queue = q));
    IF cardinality(marked) > 0 THEN
        PERFORM tidings_lock_queues(marked);
        PERFORM tidings_promote(marked);
    END IF;
    RETURN QUERY
    SELECT DISTINCT l.queue FROM tidings_jobs_live AS l
    WHERE l.queue = ANY (p_queues) AND l.turn = 100000 AND l.name = ANY (p_names)
      AND NOT EXISTS (SELECT FROM tidings_queues AS q WHERE q.name = l.queue AND q.paused_at IS NOT NULL)
      AND NOT EXISTS (SELECT FROM tidings_running AS r WHERE r.place = l.place AND r.attempts = l.attempts);
END $$;
