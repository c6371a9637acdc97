SELECT answer, queue FROM tidings_cancel($1, $2, $3)
