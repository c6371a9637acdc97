UPDATE tidings_reads SET consumer = $2 WHERE consumer = $1
