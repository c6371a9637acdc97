SELECT coalesce(max(position), 0) FROM tidings_log
