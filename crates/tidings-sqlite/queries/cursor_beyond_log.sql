SELECT name, cursor, (SELECT coalesce(max(position), 0) FROM tidings_log) AS newest
FROM tidings_consumers
WHERE cursor > newest
ORDER BY cursor DESC
LIMIT 1
