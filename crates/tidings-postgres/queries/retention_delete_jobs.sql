-- Deletes some of those that ended before a place in time, and keep no unique key. The index by time is coarse, and costs
-- those that write nothing. Rows are named by arrays, so that they are looked up and not joined to all there are.
WITH old AS (
    SELECT place FROM tidings_jobs_ended
    WHERE ended_at <= $1 AND (ended_at, place) < ($1, $2) AND (kept_until IS NULL OR kept_until <= $3)
    LIMIT $4),
gone AS (
    DELETE FROM tidings_jobs_ended WHERE place = ANY (ARRAY(SELECT place FROM old))
    RETURNING place),
attempts AS (DELETE FROM tidings_attempts WHERE job = ANY (ARRAY(SELECT place FROM gone))),
jobs AS (
    DELETE FROM tidings_jobs WHERE place = ANY (ARRAY(SELECT place FROM gone))
    RETURNING place, name, unique_key),
uniques AS (
    DELETE FROM tidings_unique AS u USING jobs AS j
    WHERE j.unique_key IS NOT NULL AND u.name = j.name AND u.unique_key = j.unique_key AND u.place = j.place)
SELECT count(*) AS jobs FROM gone
