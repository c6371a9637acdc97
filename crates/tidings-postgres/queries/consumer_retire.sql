UPDATE tidings_consumers SET retired_at = $2, retired_reason = $3, cursor = $4 WHERE name = $1
