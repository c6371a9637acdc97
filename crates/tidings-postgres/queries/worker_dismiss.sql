SELECT queues FROM tidings_dismiss($1, $2, $3)
