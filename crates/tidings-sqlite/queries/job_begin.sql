-- One statement for all that are claimed together.
UPDATE tidings_jobs SET state = 'running', turn = 100001, worker = ?2, attempts = attempts + 1, started_at = ?3
WHERE place IN (SELECT value FROM json_each(?1))
