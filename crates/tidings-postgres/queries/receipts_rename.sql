UPDATE tidings_receipts SET consumer = $2 WHERE consumer = $1
