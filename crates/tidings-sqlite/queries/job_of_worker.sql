-- Newest first: where several of one key are left, each waits behind the older ones, and the oldest is the next to run.
-- What a worker is at.
SELECT place, attempt FROM tidings_claims WHERE worker = ?1 ORDER BY place DESC
