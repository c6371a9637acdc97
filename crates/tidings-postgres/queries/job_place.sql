SELECT name, jobs, moved FROM tidings_place_jobs($1, $2)
