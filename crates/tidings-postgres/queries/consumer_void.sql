UPDATE tidings_consumers SET fence = fence + 1 WHERE name = $1
