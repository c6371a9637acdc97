-- The keys whose order changes when the jobs of a name move to another queue.
SELECT DISTINCT queue, key FROM tidings_jobs WHERE name = ?1 AND queue <> ?2 AND holds <> 0
