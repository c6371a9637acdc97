SELECT queue FROM tidings_suspects($1, $2) AS queue
