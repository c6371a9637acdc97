INSERT INTO tidings_reads (consumer, name, first)
SELECT ?1, new.value, (SELECT cursor + 1 FROM tidings_consumers WHERE name = ?1)
FROM (SELECT DISTINCT value FROM json_each(?2)) AS new
WHERE NOT EXISTS (SELECT 1 FROM tidings_reads AS r WHERE r.consumer = ?1 AND r.name = new.value AND r.last IS NULL)
