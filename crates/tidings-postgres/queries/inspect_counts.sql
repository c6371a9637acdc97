SELECT name, count(*) AS count FROM tidings_log GROUP BY name ORDER BY count(*) DESC, name
