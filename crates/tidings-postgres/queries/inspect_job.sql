SELECT * FROM tidings_job_rows WHERE id = $1
