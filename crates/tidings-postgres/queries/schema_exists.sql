SELECT 1 AS found FROM pg_namespace WHERE nspname = $1
