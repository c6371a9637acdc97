UPDATE tidings_outcomes SET unhandled = false WHERE id = $1 AND unhandled
