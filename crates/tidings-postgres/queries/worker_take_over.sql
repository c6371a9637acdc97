SELECT jobs, queues FROM tidings_take_over($1, $2, $3, $4)
