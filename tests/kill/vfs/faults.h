/* What the two VFS shims of the kill suite share: a layer over SQLite's default VFS. */
#ifndef TIDINGS_FAULTS_H
#define TIDINGS_FAULTS_H

#include "sqlite3.h"

/* A file whose unsynced writes are in memory only; see shadow.c. */
typedef struct Shadow Shadow;

/* Finds the shadow of a path, or reads the file as it is on the disk into a new one. NULL when out of memory. */
Shadow *shadow_open(const char *path, sqlite3_file *real);
void shadow_close(Shadow *shadow);
/* The file is gone, synced or not: a later open begins anew. */
void shadow_forget(const char *path);

int shadow_read(Shadow *shadow, void *into, int amount, sqlite3_int64 offset);
int shadow_write(Shadow *shadow, const void *from, int amount, sqlite3_int64 offset);
int shadow_truncate(Shadow *shadow, sqlite3_int64 size);
sqlite3_int64 shadow_size(Shadow *shadow);
/* Brings everything that was written since the last sync into the real file. */
int shadow_sync(Shadow *shadow, sqlite3_file *real);

#endif
