DELETE FROM tidings_job_names WHERE name = ?1
