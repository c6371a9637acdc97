UPDATE tidings_jobs SET progress = ?4
WHERE place = ?1 AND EXISTS (SELECT 1 FROM tidings_claims AS c WHERE c.place = ?1 AND c.worker = ?2 AND c.attempt = ?3)
