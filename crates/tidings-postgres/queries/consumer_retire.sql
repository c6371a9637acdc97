UPDATE tidings_consumers SET retired_at = $2, retired_reason = $3 WHERE name = $1
