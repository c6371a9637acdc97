SELECT id, attempt, reason FROM tidings_heartbeat($1)
