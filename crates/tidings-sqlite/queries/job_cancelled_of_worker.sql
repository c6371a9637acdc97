SELECT j.id, c.attempt, j.reason
FROM tidings_claims AS c CROSS JOIN tidings_jobs AS j ON j.place = c.place
WHERE c.worker = ?1 AND j.reason IS NOT NULL
ORDER BY j.place
