SELECT reads FROM tidings_consumers WHERE name = ?1 AND retired_at IS NULL
