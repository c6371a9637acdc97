SELECT FROM tidings_pause($1, $2, $3)
