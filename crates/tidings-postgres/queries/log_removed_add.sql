UPDATE tidings_runtime SET removed = removed + $1
