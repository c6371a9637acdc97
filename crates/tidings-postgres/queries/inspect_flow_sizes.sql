-- The newest flows by their last message. The log is walked backwards, so only the newest messages are looked at.
SELECT f.correlation_id, (SELECT count(*) FROM tidings_log l WHERE l.correlation_id = f.correlation_id) AS messages
FROM (SELECT correlation_id, max(position) AS newest
      FROM (SELECT correlation_id, position FROM tidings_log ORDER BY position DESC LIMIT $2) recent
      GROUP BY correlation_id) f
ORDER BY f.newest DESC
LIMIT $1
