SELECT key, count(*) FROM tidings_parked WHERE consumer = ?1 AND key IS NOT NULL GROUP BY key ORDER BY min(position)
