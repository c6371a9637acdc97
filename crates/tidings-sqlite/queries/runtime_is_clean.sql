SELECT clean FROM tidings_runtime
