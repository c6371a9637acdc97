UPDATE tidings_consumers SET name = $2 WHERE name = $1
