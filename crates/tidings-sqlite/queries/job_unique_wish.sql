SELECT name, unique_wish FROM tidings_jobs WHERE place = ?1 AND unique_wish IS NOT NULL AND unique_key IS NULL
