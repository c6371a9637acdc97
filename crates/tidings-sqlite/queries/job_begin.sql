-- One statement for all that are claimed together.
INSERT INTO tidings_claims (place, worker, attempt, started_at)
SELECT place, ?2, attempts + 1, ?3 FROM tidings_jobs WHERE place IN (SELECT value FROM json_each(?1))
