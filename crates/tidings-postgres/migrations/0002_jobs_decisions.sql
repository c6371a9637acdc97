-- What people decide of single jobs, and where the jobs of a name wait. All of it is decided under the locks of the queues:
-- what is not running then is claimed by nobody meanwhile.

-- Finds a job that has not ended and takes the lock of its queue, in which it is then.
CREATE FUNCTION tidings_lock_job(p_id uuid, OUT place bigint, OUT queue text) LANGUAGE plpgsql AS $$
DECLARE
    locked text[] := '{}';
BEGIN
    LOOP
        SELECT j.place INTO place FROM tidings_jobs AS j WHERE j.id = p_id;
        SELECT l.queue INTO queue FROM tidings_jobs_live AS l WHERE l.place = tidings_lock_job.place;
        EXIT WHEN queue IS NULL OR queue = ANY (locked);
        PERFORM tidings_lock_queues(ARRAY[queue]);
        PERFORM tidings_promote(ARRAY[queue]);
        locked := locked || queue;
    END LOOP;
END $$;

-- Cancels a job. Answers `cancelled`; `asked` if it is running; `busy` if somebody ends it just now, and it has to be asked again
-- later: who waits here makes all others wait who want to claim.
CREATE FUNCTION tidings_cancel(p_id uuid, p_reason text, p_now bigint, OUT answer text, OUT queue text) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    l tidings_jobs_live;
    its_place bigint;
BEGIN
    SELECT j.place, j.queue INTO its_place, queue FROM tidings_lock_job(p_id) AS j;
    SELECT * INTO l FROM tidings_jobs_live AS j WHERE j.place = its_place FOR UPDATE SKIP LOCKED;
    IF l.place IS NULL THEN
        answer := CASE WHEN EXISTS (SELECT FROM tidings_jobs_live AS j WHERE j.place = its_place) THEN 'busy' END;
    ELSIF l.turn = 100002 THEN
        answer := NULL;
    ELSIF EXISTS (SELECT FROM tidings_running AS r WHERE r.place = l.place AND r.attempts = l.attempts) THEN
        UPDATE tidings_jobs_live AS j SET reason = p_reason WHERE j.place = l.place;
        answer := 'asked';
    ELSE
        PERFORM tidings_job_leaves(l, 'cancelled', p_reason, p_now);
        PERFORM tidings_promote(ARRAY[queue]);
        answer := 'cancelled';
    END IF;
END $$;

-- Gives a dead job up; no queue if there is none of that id.
CREATE FUNCTION tidings_discard(p_id uuid, p_reason text, p_now bigint, OUT queue text) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    l tidings_jobs_live;
    its_place bigint;
BEGIN
    SELECT j.place, j.queue INTO its_place, queue FROM tidings_lock_job(p_id) AS j;
    SELECT * INTO l FROM tidings_jobs_live AS j WHERE j.place = its_place AND j.turn = 100002 FOR UPDATE;
    IF NOT FOUND THEN
        queue := NULL;
        RETURN;
    END IF;
    PERFORM tidings_job_leaves(l, 'discarded', p_reason, p_now);
    PERFORM tidings_promote(ARRAY[queue]);
END $$;

-- Lets a dead, scheduled or cancelled job run now, in the queue that its name has. No queue: there is no such job; `taken_by`: that
-- one has its unique key.
CREATE FUNCTION tidings_revive(p_id uuid, p_now bigint, OUT queue text, OUT taken_by uuid) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
#variable_conflict use_column
DECLARE
    l tidings_jobs_live;
    job tidings_jobs;
    before text;
    target text;
    there bigint;
BEGIN
    SELECT * INTO job FROM tidings_jobs AS j WHERE j.id = p_id;
    SELECT coalesce(n.queue, r.queue), r.queue INTO target, before FROM (
        SELECT s.queue FROM tidings_jobs_live AS s WHERE s.place = job.place
        UNION ALL SELECT e.queue FROM tidings_jobs_ended AS e WHERE e.place = job.place) AS r
    LEFT JOIN tidings_job_names AS n ON n.name = job.name;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM tidings_lock_queues(ARRAY[before, target]);
    PERFORM tidings_promote(ARRAY[before, target]);
    SELECT * INTO l FROM tidings_jobs_live AS s WHERE s.place = job.place AND s.queue = before
      AND (s.turn = 100002 OR s.waits_until IS NOT NULL) FOR UPDATE;
    IF NOT FOUND THEN
        SELECT e.attempts, e.started_at, e.error, e.progress INTO l.attempts, l.started_at, l.error, l.progress
        FROM tidings_jobs_ended AS e WHERE e.place = job.place AND e.state = 'cancelled' FOR UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        IF job.unique_key IS NOT NULL THEN
            DELETE FROM tidings_unique AS u
            WHERE u.name = job.name AND u.unique_key = job.unique_key AND u.until <= p_now
              AND NOT EXISTS (SELECT FROM tidings_jobs_live AS s WHERE s.place = u.place);
            INSERT INTO tidings_unique (name, unique_key, place, hash, until)
            VALUES (job.name, job.unique_key, job.place, job.unique_hash, job.unique_until) ON CONFLICT DO NOTHING;
            SELECT u.place INTO there FROM tidings_unique AS u WHERE u.name = job.name AND u.unique_key = job.unique_key;
            IF there <> job.place THEN
                SELECT j.id INTO taken_by FROM tidings_jobs AS j WHERE j.place = there;
                RETURN;
            END IF;
        END IF;
        DELETE FROM tidings_jobs_ended AS e WHERE e.place = job.place;
        INSERT INTO tidings_jobs_live (place, queue, name, priority, is_unique, attempts, started_at, key, share, error,
                                       progress)
        VALUES (job.place, before, job.name, job.priority, job.unique_key IS NOT NULL, l.attempts, l.started_at, job.key,
                job.share, l.error, l.progress);
    END IF;
    UPDATE tidings_jobs_live AS s
    SET queue = target, holds = CASE WHEN s.key IS NULL THEN 0 ELSE 2 END,
        turn = CASE WHEN s.key IS NULL THEN s.priority END, waits_until = NULL, due = p_now, failures = 0, losses = 0,
        death = NULL, reason = NULL, died_at = NULL
    WHERE s.place = job.place;
    IF job.key IS NOT NULL THEN
        INSERT INTO tidings_key_marks (queue, key, place, at) VALUES (target, job.key, job.place, p_now);
        IF before <> target THEN
            INSERT INTO tidings_key_marks (queue, key, at) VALUES (before, job.key, p_now);
        END IF;
        PERFORM tidings_promote(ARRAY[before, target]);
    END IF;
    queue := target;
END $$;

-- Makes the jobs of these names wait in these queues, wherever they waited before. It looks at every job that has not ended: only
-- at a start. What runs goes on: its claim is told to its new queue, too, in a row of its own. What is ended meanwhile is waited
-- for. Returns the names on record that are not told, with how many of their jobs have not ended.
CREATE FUNCTION tidings_place_jobs(p_names text[], p_queues text[])
RETURNS TABLE (name text, jobs bigint, moved text[]) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off AS $$ -- it reads all that wait, and may do so in the way that is fastest
#variable_conflict use_column
DECLARE
    beside text[];
    joined_queues text[] := '{}';
    joined_keys text[] := '{}';
    m record;
    k record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('tidings names ' || current_schema(), 7));
    INSERT INTO tidings_job_names AS n (name, queue) SELECT * FROM unnest(p_names, p_queues) AS u (name, queue)
    ON CONFLICT (name) DO UPDATE SET queue = EXCLUDED.queue WHERE n.queue <> EXCLUDED.queue;
    SELECT array_agg(DISTINCT q) INTO beside FROM (
        SELECT DISTINCT l.name, l.queue, u.queue AS target
        FROM tidings_jobs_live AS l JOIN unnest(p_names, p_queues) AS u (name, queue) ON u.name = l.name
        WHERE l.queue <> u.queue) AS x CROSS JOIN LATERAL unnest(ARRAY[x.queue, x.target]) AS q;
    IF beside IS NOT NULL THEN
        PERFORM tidings_lock_queues(beside);
        PERFORM tidings_promote(beside);
        FOR m IN SELECT u.name, u.queue FROM unnest(p_names, p_queues) AS u (name, queue) WHERE u.queue = ANY (beside) LOOP
            INSERT INTO tidings_claims (n, worker, queue, places, attempts, started_at, is_limited)
            SELECT tidings_claim_number(), c.worker, m.queue, array_agg(l.place), array_agg(l.attempts), c.started_at,
                   c.is_limited
            FROM tidings_claims AS c
            CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts)
            JOIN tidings_jobs_live AS l ON l.place = u.place AND l.attempts = u.attempts
            WHERE l.name = m.name AND l.queue <> m.queue AND l.queue = ANY (beside)
            GROUP BY c.n, c.worker, c.started_at, c.is_limited;
            FOR k IN SELECT DISTINCT l.queue, l.key FROM tidings_jobs_live AS l
                     WHERE l.name = m.name AND l.queue <> m.queue AND l.queue = ANY (beside) AND l.holds > 0 LOOP
                INSERT INTO tidings_key_marks (queue, key, at)
                VALUES (k.queue, k.key, -9223372036854775808), (m.queue, k.key, -9223372036854775808);
                joined_queues := joined_queues || m.queue;
                joined_keys := joined_keys || k.key;
            END LOOP;
            UPDATE tidings_jobs_live AS l SET queue = m.queue
            WHERE l.name = m.name AND l.queue <> m.queue AND l.queue = ANY (beside);
        END LOOP;
        -- All of a key that have not begun wait, until it is clear who is the first of them. As nobody said what time it is, he
        -- waits for his own, and the next claim finds that it has come.
        UPDATE tidings_jobs_live AS l SET holds = 1, turn = NULL, waits_until = NULL
        FROM (SELECT DISTINCT * FROM unnest(joined_queues, joined_keys) AS u (queue, key)) AS x
        WHERE l.queue = x.queue AND l.key = x.key AND l.holds > 0 AND l.turn IS DISTINCT FROM 100002
          AND NOT EXISTS (SELECT FROM tidings_running AS r WHERE r.place = l.place AND r.attempts = l.attempts);
        PERFORM tidings_promote(beside);
    END IF;
    FOR m IN SELECT n.name, (SELECT count(*) FROM tidings_jobs_live AS l WHERE l.name = n.name) AS jobs
             FROM tidings_job_names AS n WHERE n.name <> ALL (p_names) ORDER BY n.name LOOP
        IF m.jobs = 0 THEN
            DELETE FROM tidings_job_names AS n WHERE n.name = m.name;
        ELSE
            name := m.name;
            jobs := m.jobs;
            RETURN NEXT;
        END IF;
    END LOOP;
    name := NULL;
    moved := beside;
    RETURN NEXT;
END $$;

-- Pauses a queue, or lets it go on if there is no reason. When it returns nothing more is claimed.
CREATE FUNCTION tidings_pause(p_queue text, p_reason text, p_now bigint) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    PERFORM tidings_lock_queues(ARRAY[p_queue]);
    IF p_reason IS NULL THEN
        UPDATE tidings_queues SET paused_at = NULL, paused_reason = NULL WHERE name = p_queue;
    ELSE
        INSERT INTO tidings_queues (name, paused_at, paused_reason) VALUES (p_queue, p_now, p_reason)
        ON CONFLICT (name) DO UPDATE SET paused_at = EXCLUDED.paused_at, paused_reason = EXCLUDED.paused_reason;
    END IF;
END $$;
