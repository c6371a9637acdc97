SELECT name, queue FROM tidings_job_names
