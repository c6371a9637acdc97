SELECT command, count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'rejected')
FROM tidings_outcomes
GROUP BY command
ORDER BY command
