SELECT command, count(*) FILTER (WHERE status = 'completed') AS completed,
       count(*) FILTER (WHERE status = 'rejected') AS rejected
FROM tidings_outcomes
GROUP BY command
ORDER BY command COLLATE "C"
