SELECT queue, taken_by FROM tidings_revive($1, $2)
