SELECT at FROM tidings_jobs WHERE place = ?1
