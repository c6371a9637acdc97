SELECT max(position) - (SELECT removed FROM tidings_runtime), max(position) FROM tidings_log
