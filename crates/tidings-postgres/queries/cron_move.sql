UPDATE tidings_crons SET due = $3 WHERE name = $1 AND due = $2
