-- What a database has in it that has been in use for a while, beside the few rows that a test works on. Nothing of it is due.

INSERT INTO tidings_log (slot, id, kind, name, version, source, key, time, correlation_id, data)
SELECT i % 64, gen_random_uuid(), 'event', 'counters.reset', 1, 'counters', 'counter:old-' || i % 1000, 1700000000000000 + i,
       gen_random_uuid(), '{"counter": "old"}'
FROM generate_series(1, 50000) AS i;

INSERT INTO tidings_receipts (consumer, partition, first, last, count, at, life)
SELECT 'audit.note', i % 4, i, i, 1, 1700000000000000 + i, 1 FROM generate_series(1, 20000) AS i;

INSERT INTO tidings_parked (consumer, partition, position, key, state, attempts, error, at, reason)
SELECT 'audit.note', i % 4, i, CASE WHEN i % 2 = 0 THEN 'counter:old-' || i END, CASE WHEN i % 2 = 0 THEN 'dead' ELSE 'discarded' END, 5,
       'it was refused', (extract(epoch FROM now()) * 1000000)::bigint, CASE WHEN i % 2 = 1 THEN 'old' END
FROM generate_series(1, 4000) AS i;

INSERT INTO tidings_outcomes (id, command, correlation_id, caller, key, payload_hash, status, body, at, expires, unhandled)
SELECT gen_random_uuid(), 'counters.bump', gen_random_uuid(), 'somebody', 'key ' || i, '\x00', 'completed', '1', 1700000000000000 + i,
       4000000000000000, false
FROM generate_series(1, 20000) AS i;

-- Ended, scheduled for next century, dead, and ready in a queue that is paused; with keys, shares and unique keys.
INSERT INTO tidings_queues (name, paused_at, paused_reason) VALUES ('held', 0, 'so that they wait');

WITH jobs AS MATERIALIZED (
    SELECT i, nextval('tidings_job_places') AS place, gen_random_uuid() AS id,
           CASE WHEN i <= 30000 THEN 'ended' WHEN i <= 40000 THEN 'scheduled' WHEN i <= 42000 THEN 'dead' ELSE 'ready' END AS state
    FROM generate_series(1, 60000) AS i
), stored AS (
    INSERT INTO tidings_jobs (place, id, name, priority, due, at, key, share, source, correlation_id, data)
    SELECT place, id, CASE state WHEN 'ready' THEN 'audit.held' ELSE 'audit.work' END, 0, 0, 0, CASE WHEN i % 4 = 0 THEN 'old:' || i END,
           CASE WHEN i % 4 = 1 THEN 'share ' || i % 500 END, 'audit', id, '{"number": 0}'
    FROM jobs
), ended AS (
    INSERT INTO tidings_jobs_ended (place, queue, state, ended_at, started_at, attempts, failures, losses)
    SELECT place, 'work', 'completed', (extract(epoch FROM now()) * 1000000)::bigint + i, 0, 1, 0, 0 FROM jobs WHERE state = 'ended'
), attempts AS (
    INSERT INTO tidings_attempts (job, attempt, worker, started_at, ended_at, ending, error)
    SELECT place, a, 1, 0, 1, 'failed', 'it did not' FROM jobs, generate_series(1, 5) AS a WHERE state = 'dead'
), taken AS (
    INSERT INTO tidings_unique (name, unique_key, place, hash) SELECT 'audit.work', 'old ' || i, place, '\x00' FROM jobs WHERE state = 'scheduled'
)
INSERT INTO tidings_jobs_live (place, queue, name, priority, holds, is_unique, turn, attempts, failures, waits_until, died_at, key, share, death)
SELECT place, CASE state WHEN 'ready' THEN 'held' ELSE 'work' END, CASE state WHEN 'ready' THEN 'audit.held' ELSE 'audit.work' END, 0,
       CASE WHEN i % 4 <> 0 OR state = 'dead' THEN 0 WHEN state = 'ready' THEN 2 ELSE 1 END, state = 'scheduled',
       CASE state WHEN 'dead' THEN 100002 WHEN 'ready' THEN 0 END, CASE state WHEN 'dead' THEN 5 ELSE 0 END,
       CASE state WHEN 'dead' THEN 5 ELSE 0 END, CASE state WHEN 'scheduled' THEN 4000000000000000 + i END,
       CASE state WHEN 'dead' THEN 1 END, CASE WHEN i % 4 = 0 THEN 'old:' || i END,
       CASE WHEN i % 4 = 1 AND state <> 'dead' THEN 'share ' || i % 500 END, CASE state WHEN 'dead' THEN 'exhausted' END
FROM jobs WHERE state <> 'ended';

ANALYZE
