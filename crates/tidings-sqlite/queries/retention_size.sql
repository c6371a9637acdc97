SELECT count(*), max(position) FROM tidings_log
