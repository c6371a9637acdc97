UPDATE tidings_jobs_live AS l SET progress = $5
WHERE l.place = $1 AND l.attempts = $2 - 1 AND EXISTS (SELECT FROM tidings_claims AS c WHERE c.n = $4 AND c.worker = $3)
