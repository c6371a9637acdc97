-- What the log cannot be shortened below: the messages after the slowest consumer, and before it those that are parked.
WITH newest AS (SELECT coalesce(max(position), 0) AS position FROM tidings_log),
     slowest AS (SELECT name, cursor FROM tidings_consumers WHERE retired_at IS NULL ORDER BY cursor, name LIMIT 1),
     parked AS (SELECT p.consumer, p.position FROM tidings_parked AS p
                WHERE p.state <> 'discarded' AND p.position <= (SELECT cursor FROM slowest)),
     most AS (SELECT consumer, count(*) AS count FROM parked GROUP BY consumer ORDER BY count(*) DESC LIMIT 1)
SELECT (SELECT position FROM newest),
       (SELECT position FROM newest) - (SELECT removed FROM tidings_runtime),
       (SELECT name FROM slowest),
       (SELECT cursor FROM slowest),
       (SELECT count(DISTINCT position) FROM parked),
       (SELECT consumer FROM most),
       (SELECT count FROM most)
