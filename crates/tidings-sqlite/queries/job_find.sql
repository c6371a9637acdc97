SELECT place, state FROM tidings_jobs WHERE id = ?1
