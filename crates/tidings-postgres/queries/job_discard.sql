SELECT queue FROM tidings_discard($1, $2, $3) AS queue
