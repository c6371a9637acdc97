-- Those who work on jobs, and what becomes of their jobs when they are gone. Leases go by the database's clock.

-- Renews a worker's lease, also one that has lapsed but was not taken over, and tells what is to be cancelled. No row: the
-- worker is void. The first row is always there, with nothing in it.
CREATE FUNCTION tidings_heartbeat(p_worker bigint) RETURNS TABLE (id uuid, attempt integer, reason text) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    q text;
BEGIN
    UPDATE tidings_workers AS w SET expires_at = clock_timestamp() + w.lease WHERE w.id = p_worker;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN NEXT;
    FOR q IN SELECT DISTINCT c.queue FROM tidings_claims AS c WHERE c.worker = p_worker LOOP
        PERFORM tidings_sweep_claims(p_worker, q);
    END LOOP;
    RETURN QUERY
    SELECT DISTINCT ON (l.place) j.id, l.attempts + 1, l.reason
    FROM tidings_running AS r
    JOIN tidings_jobs_live AS l ON l.place = r.place AND l.attempts = r.attempts
    JOIN tidings_jobs AS j ON j.place = l.place
    WHERE r.worker = p_worker AND l.reason IS NOT NULL ORDER BY l.place;
END $$;

-- Ends the attempts of some claims otherwise than by themselves, newest job first: where several of one key are left, the
-- oldest is the last to end, and the next to run. With `p_waits` it waits for whoever ends one of them just now; else it
-- passes those over, and leaves them in their claims. Returns how many it ended, and of which queues.
CREATE FUNCTION tidings_end_claims(p_claims bigint[], p_end text, p_text text, p_now bigint, p_kept integer, p_waits boolean,
                                   OUT jobs bigint, OUT queues text[])
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    r record;
    queue text;
BEGIN
    jobs := 0;
    queues := '{}';
    FOR r IN SELECT u.place, u.attempts, c.worker, c.n FROM tidings_claims AS c
             CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts)
             WHERE c.n = ANY (p_claims) ORDER BY u.place DESC, u.attempts LOOP
        IF NOT p_waits THEN
            PERFORM FROM tidings_jobs_live AS l WHERE l.place = r.place AND l.attempts = r.attempts FOR UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
        END IF;
        queue := tidings_end_one(r.worker, r.n, r.place, r.attempts, p_end, NULL, p_text, NULL, NULL, p_now, p_kept);
        IF queue IS NOT NULL THEN
            jobs := jobs + 1;
            IF queue <> ALL (queues) THEN
                queues := queues || queue;
            END IF;
        END IF;
    END LOOP;
    DELETE FROM tidings_claims AS c WHERE c.n = ANY (p_claims)
      AND NOT EXISTS (SELECT FROM unnest(c.places, c.attempts) AS u (place, attempts)
                      CROSS JOIN LATERAL (SELECT FROM tidings_jobs_live AS l
                                          WHERE l.place = u.place AND l.attempts = u.attempts OFFSET 0) AS l);
END $$;

-- Strikes off workers whose lease has lapsed, but for one's own, and ends their attempts. A worker that claims just now, and a
-- job that is being ended just now, are passed over: the next takeover sees what has become of them.
CREATE FUNCTION tidings_take_over(p_worker bigint, p_error text, p_now bigint, p_kept integer,
                                  OUT jobs bigint, OUT queues text[])
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
    claims bigint[];
BEGIN
    DELETE FROM tidings_workers AS w
    WHERE w.id = ANY (ARRAY(SELECT l.id FROM tidings_workers AS l
                            WHERE l.expires_at <= clock_timestamp() AND l.id <> p_worker
                            ORDER BY l.id FOR UPDATE SKIP LOCKED));
    claims := ARRAY(SELECT c.n FROM tidings_claims AS c
                    WHERE NOT EXISTS (SELECT FROM tidings_workers AS w WHERE w.id = c.worker)
                    ORDER BY c.n FOR UPDATE OF c SKIP LOCKED);
    SELECT e.jobs, e.queues INTO jobs, queues
    FROM tidings_end_claims(claims, 'lost', p_error, p_now, p_kept, false) AS e;
END $$;

-- Strikes off a worker that stops in order, and gives back what it has.
CREATE FUNCTION tidings_dismiss(p_worker bigint, p_now bigint, p_kept integer, OUT queues text[]) LANGUAGE plpgsql
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
BEGIN
    queues := '{}';
    DELETE FROM tidings_workers AS w WHERE w.id = p_worker;
    IF FOUND THEN
        SELECT e.queues INTO queues
        FROM tidings_end_claims(ARRAY(SELECT c.n FROM tidings_claims AS c WHERE c.worker = p_worker), 'given back', NULL,
                                p_now, p_kept, true) AS e;
    END IF;
END $$;
