DELETE FROM tidings_jobs WHERE place = ?1
