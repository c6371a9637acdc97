SELECT key, count(*) AS parked FROM tidings_parked
WHERE consumer = $1 AND partition = $2 AND key IS NOT NULL GROUP BY key ORDER BY key
