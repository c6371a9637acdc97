SELECT id, attempt, reason, (SELECT life FROM tidings_life_goes_on) AS life FROM tidings_heartbeat($1)
