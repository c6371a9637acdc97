SELECT version, name FROM tidings_migrations WHERE module = $1 ORDER BY version DESC LIMIT 1
