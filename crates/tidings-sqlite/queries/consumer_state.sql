SELECT retired_at IS NOT NULL FROM tidings_consumers WHERE name = ?1
