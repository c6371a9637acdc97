SELECT place, iif(place IN (SELECT place FROM tidings_claims), 'running', state) FROM tidings_jobs WHERE id = ?1
