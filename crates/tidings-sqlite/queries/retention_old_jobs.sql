-- Never the newest job: the next one would get its place, and old leases would fit it. Nor one whose unique key is still
-- taken: without the record it would be free.
SELECT place FROM tidings_jobs
WHERE ended_at < ?1 AND place < (SELECT max(place) FROM tidings_jobs)
  AND (unique_key IS NULL OR unique_until <= ?3)
ORDER BY ended_at
LIMIT ?2
