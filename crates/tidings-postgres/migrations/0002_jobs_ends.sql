-- How attempts end. An end counts if the attempt's claim is there, and the job's row has as many attempts as the claim found. It
-- either deletes that row or counts the attempt, so of two ends, or of an end and a takeover, the row lets one through.

-- Lets go of a job's unique key; returns until when it keeps it all the same.
CREATE FUNCTION tidings_unique_let_go(p_place bigint, p_at bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    job record;
BEGIN
    SELECT j.name, j.unique_key, j.unique_until INTO job FROM tidings_jobs AS j WHERE j.place = p_place;
    IF job.unique_until > p_at THEN
        RETURN job.unique_until;
    END IF;
    DELETE FROM tidings_unique WHERE name = job.name AND unique_key = job.unique_key AND place = p_place;
    RETURN NULL;
END $$;

-- A job comes to its end otherwise than by its completion.
CREATE FUNCTION tidings_job_leaves(l tidings_jobs_live, p_state text, p_reason text, p_at bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tidings_jobs_live WHERE place = l.place;
    INSERT INTO tidings_jobs_ended (place, queue, state, ended_at, started_at, due, attempts, failures, losses, kept_until,
                                    death, error, reason, progress)
    VALUES (l.place, l.queue, p_state, p_at, l.started_at, l.due, l.attempts, l.failures, l.losses,
            CASE WHEN l.is_unique THEN tidings_unique_let_go(l.place, p_at) END, l.death, l.error, p_reason, l.progress);
    IF l.holds > 0 THEN
        INSERT INTO tidings_key_marks (queue, key, place, at) VALUES (l.queue, l.key, l.place, p_at);
    END IF;
END $$;

-- Lists an attempt that did not complete its job; of each job the newest are kept.
CREATE FUNCTION tidings_note_attempt(l tidings_jobs_live, p_worker bigint, p_ending text, p_error text, p_at bigint,
                                     p_kept integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tidings_attempts (job, attempt, worker, started_at, ended_at, ending, error)
    -- Whoever takes over may have read his clock before the attempt began, and been heard late.
    VALUES (l.place, l.attempts, p_worker, l.started_at, greatest(p_at, l.started_at), p_ending, p_error);
    IF l.attempts > p_kept THEN
        DELETE FROM tidings_attempts WHERE job = l.place AND attempt <= l.attempts - p_kept;
    END IF;
END $$;

-- There is to be another attempt, unless somebody has asked for the job to be cancelled: at once, or when it is due. One that
-- has a key waits until it is decided whose turn it is.
CREATE FUNCTION tidings_job_again(l tidings_jobs_live, p_waits_until bigint, p_at bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF l.reason IS NOT NULL THEN
        PERFORM tidings_job_leaves(l, 'cancelled', l.reason, p_at);
        RETURN;
    END IF;
    UPDATE tidings_jobs_live
    SET attempts = l.attempts, failures = l.failures, losses = l.losses, started_at = l.started_at, error = l.error,
        due = l.due,
        turn = CASE WHEN l.holds > 0 OR p_waits_until IS NOT NULL THEN NULL
                    WHEN l.losses > 0 THEN 100000 ELSE l.priority END,
        waits_until = CASE WHEN l.holds = 0 THEN p_waits_until END
    WHERE place = l.place;
    IF l.holds > 0 THEN
        INSERT INTO tidings_key_marks (queue, key, place, at) VALUES (l.queue, l.key, l.place, p_at);
    END IF;
END $$;

-- Ends one attempt; returns the queue of its job, or NULL if the lease is void.
CREATE FUNCTION tidings_end_one(p_worker bigint, p_claim bigint, p_place bigint, p_attempts integer, p_end text,
                                p_due bigint, p_text text, p_death text, p_releases boolean, p_at bigint, p_kept integer)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l tidings_jobs_live;
    began bigint;
BEGIN
    SELECT c.started_at INTO began FROM tidings_claims AS c WHERE c.n = p_claim AND c.worker = p_worker;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO l FROM tidings_jobs_live AS j WHERE j.place = p_place AND j.attempts = p_attempts FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    l.attempts := l.attempts + 1;
    l.started_at := began;
    CASE p_end
        WHEN 'completed' THEN
            l.losses := 0;
            PERFORM tidings_job_leaves(l, 'completed', NULL, p_at);
        WHEN 'retry', 'snoozed' THEN
            l.losses := 0;
            l.due := p_due;
            IF p_end = 'retry' THEN
                l.failures := l.failures + 1;
                l.error := p_text;
                PERFORM tidings_note_attempt(l, p_worker, 'failed', p_text, p_at, p_kept);
            ELSE
                PERFORM tidings_note_attempt(l, p_worker, 'snoozed', '', p_at, p_kept);
            END IF;
            PERFORM tidings_job_again(l, p_due, p_at);
        WHEN 'given back' THEN
            l.due := p_at;
            PERFORM tidings_note_attempt(l, p_worker, 'given back', '', p_at, p_kept);
            PERFORM tidings_job_again(l, NULL, p_at);
        WHEN 'lost' THEN
            l.losses := l.losses + 1;
            l.error := p_text;
            PERFORM tidings_note_attempt(l, p_worker, 'lost', p_text, p_at, p_kept);
            PERFORM tidings_job_again(l, NULL, p_at);
        WHEN 'cancelled' THEN
            PERFORM tidings_note_attempt(l, p_worker, 'cancelled', '', p_at, p_kept);
            PERFORM tidings_job_leaves(l, 'cancelled', p_text, p_at);
        WHEN 'dead' THEN
            PERFORM tidings_note_attempt(l, p_worker, 'failed', p_text, p_at, p_kept);
            UPDATE tidings_jobs_live
            SET attempts = l.attempts, started_at = l.started_at, failures = l.failures + 1, turn = 100002,
                waits_until = NULL, death = p_death, error = p_text, died_at = p_at, reason = NULL,
                holds = CASE WHEN p_releases THEN 0 ELSE l.holds END
            WHERE place = l.place;
            IF l.holds > 0 AND p_releases THEN
                INSERT INTO tidings_key_marks (queue, key, place, at) VALUES (l.queue, l.key, l.place, p_at);
            END IF;
    END CASE;
    RETURN l.queue;
END $$;

-- Completes jobs, each named once; nothing is joined but what is in memory already, and the rows are found by their places: a
-- plan that was made while the table was small stays good. `p_attempts` are those before. Returns the places of those whose
-- lease was good, with these, the queues in which a key may be free, and those that have made room for others.
CREATE FUNCTION tidings_complete(p_workers bigint[], p_claims bigint[], p_places bigint[], p_attempts integer[], p_at bigint,
                                 OUT completed bigint[], OUT tried integer[], OUT queues text[], OUT freed text[])
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_nestloop = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    good bigint[];
    before integer[];
    began bigint[];
    those bigint[];
    done bigint[];
    keyed text[];
    limited text[];
    makes_room boolean;
    uniques bigint[];
    tries integer;
    one bigint;
    kept bigint;
BEGIN
    completed := '{}';
    tried := '{}';
    queues := '{}';
    freed := '{}';
    SELECT array_agg(u.place), array_agg(u.attempts), array_agg(c.started_at), bool_or(c.is_limited)
    INTO good, before, began, makes_room
    FROM unnest(p_workers, p_claims, p_places, p_attempts) AS u (worker, claim, place, attempts)
    JOIN (SELECT n, worker, started_at, is_limited FROM tidings_claims WHERE n = ANY (p_claims)) AS c
      ON c.n = u.claim AND c.worker = u.worker;
    FOR tries IN SELECT DISTINCT t FROM unnest(before) AS t LOOP
        those := ARRAY(SELECT u.place FROM unnest(good, before) AS u (place, attempts) WHERE u.attempts = tries);
        WITH gone AS (
            DELETE FROM tidings_jobs_live AS l WHERE l.place = ANY (those) AND l.attempts = tries
            RETURNING l.place, l.queue, l.key, l.is_unique, l.due, l.failures, l.error, l.progress),
        ended AS (
            INSERT INTO tidings_jobs_ended (place, queue, state, ended_at, started_at, due, attempts, failures, losses, error,
                                            progress)
            SELECT g.place, g.queue, 'completed', p_at, u.began, g.due, tries + 1, g.failures, 0, g.error, g.progress
            FROM gone AS g JOIN unnest(good, before, began) AS u (place, attempts, began)
              ON u.place = g.place AND u.attempts = tries),
        marked AS (
            INSERT INTO tidings_key_marks (queue, key, place, at)
            SELECT g.queue, g.key, g.place, p_at FROM gone AS g WHERE g.key IS NOT NULL)
        SELECT array_agg(g.place), array_agg(DISTINCT g.queue) FILTER (WHERE g.key IS NOT NULL),
               array_agg(g.place) FILTER (WHERE g.is_unique), array_agg(g.queue) FILTER (WHERE makes_room)
        INTO done, keyed, uniques, limited FROM gone AS g;
        completed := completed || done;
        tried := tried || array_fill(tries, ARRAY[coalesce(cardinality(done), 0)]);
        queues := queues || keyed;
        IF limited IS NOT NULL THEN
            freed := freed || ARRAY(SELECT DISTINCT q FROM unnest(limited) AS q WHERE q <> ALL (freed));
        END IF;
        IF uniques IS NOT NULL THEN
            FOREACH one IN ARRAY uniques LOOP
                kept := tidings_unique_let_go(one, p_at);
                IF kept IS NOT NULL THEN
                    UPDATE tidings_jobs_ended SET kept_until = kept WHERE place = one;
                END IF;
            END LOOP;
        END IF;
    END LOOP;
END $$;

-- Ends attempts: `p_batch` of them are completions that come first and together, the others follow one by one, in order.
-- Returns the places of the completed with their attempts before, the numbers of the others whose lease was good, the queues to
-- look at again, and those to look at only because what was completed has made room.
CREATE FUNCTION tidings_end(p_workers bigint[], p_claims bigint[], p_places bigint[], p_attempts integer[], p_batch integer,
                            p_ends text[], p_dues bigint[], p_texts text[], p_deaths text[], p_releases boolean[],
                            p_at bigint, p_kept integer,
                            OUT completed bigint[], OUT tried integer[], OUT others integer[], OUT queues text[],
                            OUT freed text[])
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    u record;
    queue text;
BEGIN
    others := '{}';
    SELECT c.completed, c.tried, c.queues, c.freed INTO completed, tried, queues, freed
    FROM tidings_complete(p_workers[:p_batch], p_claims[:p_batch], p_places[:p_batch], p_attempts[:p_batch], p_at) AS c;
    IF cardinality(p_places) = p_batch THEN
        RETURN;
    END IF;
    FOR u IN SELECT * FROM unnest(p_workers, p_claims, p_places, p_attempts, p_ends, p_dues, p_texts, p_deaths, p_releases)
             WITH ORDINALITY AS n (worker, claim, place, attempts, ending, due, message, death, releases, i)
             WHERE n.i > p_batch LOOP
        queue := tidings_end_one(u.worker, u.claim, u.place, u.attempts, u.ending, u.due, u.message, u.death, u.releases,
                                 p_at, p_kept);
        IF queue IS NOT NULL THEN
            others := others || u.i::integer;
            IF queue <> ALL (queues) THEN
                queues := queues || queue;
            END IF;
        END IF;
    END LOOP;
END $$;
