SELECT retired_at IS NOT NULL AS retired, generation FROM tidings_consumers WHERE name = $1
