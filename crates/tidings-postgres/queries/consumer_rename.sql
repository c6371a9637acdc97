UPDATE tidings_consumers SET name = $2, fence = fence + 1 WHERE name = $1
