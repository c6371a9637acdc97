UPDATE tidings_runtime SET clean = ?1
