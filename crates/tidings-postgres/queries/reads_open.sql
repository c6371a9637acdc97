INSERT INTO tidings_reads (consumer, partition, name, from_cursor)
SELECT $1, v.partition, new.name, v.cursor
FROM (SELECT DISTINCT unnest($2::text[]) AS name) new
JOIN tidings_cursors v ON v.consumer = $1
WHERE NOT EXISTS (SELECT 1 FROM tidings_reads r
                  WHERE r.consumer = $1 AND r.partition = v.partition AND r.name = new.name AND r.to_cursor IS NULL)
