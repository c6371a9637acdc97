SELECT coalesce(max(version), 0) FROM tidings_migrations WHERE module = $1
