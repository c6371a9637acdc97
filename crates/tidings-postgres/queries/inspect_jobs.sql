SELECT * FROM tidings_job_rows
WHERE ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR name = $2) AND ($3::text IS NULL OR state = $3)
ORDER BY place
LIMIT $4
