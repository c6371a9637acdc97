UPDATE tidings_runtime SET removed = ?1
