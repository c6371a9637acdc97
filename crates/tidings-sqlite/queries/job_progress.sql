UPDATE tidings_jobs SET progress = ?4 WHERE place = ?1 AND worker = ?2 AND attempts = ?3 AND state = 'running'
