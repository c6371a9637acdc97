SELECT id, unique_hash FROM tidings_jobs WHERE name = ?1 AND unique_key = ?2
