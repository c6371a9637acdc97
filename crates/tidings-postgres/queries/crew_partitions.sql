-- Each consumer with its partitions and who of the live workers ($1) holds them.
SELECT c.name, c.generation, array_agg(CASE WHEN p.holder = ANY ($1) THEN p.holder END ORDER BY p.partition) AS holders
FROM tidings_consumers c JOIN tidings_partitions p ON p.consumer = c.name
WHERE c.retired_at IS NULL
GROUP BY c.name
