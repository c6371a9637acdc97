SELECT retired_at IS NOT NULL AS retired FROM tidings_consumers WHERE name = $1
