SELECT checksum FROM tidings_migrations WHERE module = $1 AND version = $2
