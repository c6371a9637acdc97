-- Deletes some of those that ended before a place in time, and keep no unique key. The index by time is coarse, and costs
-- those that write nothing.
WITH old AS (
    SELECT place FROM tidings_jobs_ended
    WHERE ended_at <= $1 AND (ended_at, place) < ($1, $2) AND (kept_until IS NULL OR kept_until <= $3)
    LIMIT $4),
gone AS (DELETE FROM tidings_jobs_ended AS e USING old WHERE e.place = old.place RETURNING e.place),
attempts AS (DELETE FROM tidings_attempts AS a USING gone WHERE a.job = gone.place),
uniques AS (
    DELETE FROM tidings_unique AS u USING gone, tidings_jobs AS j
    WHERE j.place = gone.place AND u.name = j.name AND u.unique_key = j.unique_key AND u.place = j.place),
jobs AS (DELETE FROM tidings_jobs AS j USING gone WHERE j.place = gone.place)
SELECT count(*) AS jobs FROM gone
