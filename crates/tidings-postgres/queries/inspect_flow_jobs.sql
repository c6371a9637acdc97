SELECT * FROM tidings_job_rows WHERE correlation_id = $1 ORDER BY place
