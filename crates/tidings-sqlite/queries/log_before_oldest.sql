SELECT coalesce(min(position) - 1, 0) FROM tidings_log
