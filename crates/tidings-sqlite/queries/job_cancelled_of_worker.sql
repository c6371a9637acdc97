SELECT id, reason FROM tidings_jobs WHERE state = 'running' AND worker = ?1 AND reason IS NOT NULL ORDER BY place
