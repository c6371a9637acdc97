SELECT place, worker, attempts FROM tidings_jobs WHERE state = 'running' AND worker = ?1 ORDER BY place
