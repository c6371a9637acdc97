UPDATE tidings_parked SET consumer = $2 WHERE consumer = $1
