-- Those that wait behind a later one of their key, which has begun or waits for a person.
UPDATE tidings_jobs SET holds = 2
WHERE queue = ?1 AND key = ?2 AND holds = 1 AND state = 'behind'
  AND place < (SELECT max(place) FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 1 AND state <> 'behind')
