UPDATE tidings_runtime SET mark = NULL, mark_xid = NULL
