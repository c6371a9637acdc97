-- Newest first: where several of one key are left, each waits behind the older ones, and the oldest is the next to run.
-- Attempts whose worker is not among the living.
SELECT place, attempt FROM tidings_claims
WHERE worker NOT IN (SELECT value FROM json_each(?1))
ORDER BY place DESC
