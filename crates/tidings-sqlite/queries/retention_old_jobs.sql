-- Never the newest job: the next one would get its place, and old leases would fit it.
SELECT place FROM tidings_jobs
WHERE ended_at < ?1 AND place < (SELECT max(place) FROM tidings_jobs)
ORDER BY ended_at
LIMIT ?2
