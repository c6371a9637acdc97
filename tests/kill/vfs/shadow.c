/*
** A file as the process sees it, beside the file as the disk has it.
**
** The whole file is kept in memory and shared by all handles of the process. Writes and truncations change the memory
** and are noted; a sync writes what was noted into the real file. A process that is killed takes the rest with it, as a
** power failure takes the page cache. A process that is killed in the middle of a sync leaves a torn one: some of the
** blocks written, in ascending order, and the size not yet changed.
**
** Not modelled: blocks of one sync that arrive out of order, sectors that are torn inside, and unsynced directory
** entries: creating and deleting a file is durable at once.
*/
#include <stdlib.h>
#include <string.h>

#include "faults.h"

enum { BLOCK = 4096 };

struct Shadow {
  char *path;
  int handles;
  int forgotten; /* deleted: nobody finds it any more */
  unsigned char *bytes;
  sqlite3_int64 size;
  sqlite3_int64 capacity;  /* of `bytes`, a multiple of BLOCK; behind `size` it holds zeros */
  unsigned char *unsynced; /* one flag for each block of the capacity */
  int resized;             /* truncated since the last sync */
  Shadow *next;
};

static Shadow *shadows = 0;

/* All shadows have one lock: it is held for copies in memory only, but for syncs. */
static void lock(void) { sqlite3_mutex_enter(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_VFS3)); }
static void unlock(void) { sqlite3_mutex_leave(sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_VFS3)); }

static int grow(Shadow *shadow, sqlite3_int64 size) {
  sqlite3_int64 capacity = shadow->capacity ? shadow->capacity : 16 * BLOCK;
  unsigned char *bytes, *unsynced;
  if (size <= shadow->capacity) return SQLITE_OK;
  while (capacity < size) capacity *= 2;
  bytes = realloc(shadow->bytes, (size_t)capacity);
  if (!bytes) return SQLITE_IOERR_NOMEM;
  shadow->bytes = bytes;
  unsynced = realloc(shadow->unsynced, (size_t)(capacity / BLOCK));
  if (!unsynced) return SQLITE_IOERR_NOMEM;
  shadow->unsynced = unsynced;
  memset(bytes + shadow->capacity, 0, (size_t)(capacity - shadow->capacity));
  memset(unsynced + shadow->capacity / BLOCK, 0, (size_t)((capacity - shadow->capacity) / BLOCK));
  shadow->capacity = capacity;
  return SQLITE_OK;
}

static Shadow *find(const char *path) {
  Shadow *shadow = shadows;
  while (shadow && (shadow->forgotten || strcmp(shadow->path, path) != 0)) shadow = shadow->next;
  return shadow;
}

static void release(Shadow *shadow) {
  Shadow **link = &shadows;
  while (*link != shadow) link = &(*link)->next;
  *link = shadow->next;
  free(shadow->path);
  free(shadow->bytes);
  free(shadow->unsynced);
  free(shadow);
}

static Shadow *load(const char *path, sqlite3_file *real) {
  sqlite3_int64 size = 0;
  Shadow *shadow = calloc(1, sizeof(Shadow));
  if (!shadow) return 0;
  shadow->next = shadows;
  shadows = shadow;
  shadow->path = strdup(path);
  if (shadow->path && real->pMethods->xFileSize(real, &size) == SQLITE_OK && grow(shadow, size) == SQLITE_OK) {
    int amount = (int)size;
    shadow->size = size;
    if (!amount || real->pMethods->xRead(real, shadow->bytes, amount, 0) == SQLITE_OK) return shadow;
  }
  release(shadow);
  return 0;
}

Shadow *shadow_open(const char *path, sqlite3_file *real) {
  Shadow *shadow;
  lock();
  shadow = find(path);
  if (!shadow) shadow = load(path, real);
  if (shadow) shadow->handles++;
  unlock();
  return shadow;
}

/* A file that is closed keeps its shadow: the page cache, too, outlives the last handle. */
void shadow_close(Shadow *shadow) {
  lock();
  shadow->handles--;
  if (shadow->forgotten && !shadow->handles) release(shadow);
  unlock();
}

void shadow_forget(const char *path) {
  Shadow *shadow;
  lock();
  shadow = find(path);
  if (shadow) {
    shadow->forgotten = 1;
    if (!shadow->handles) release(shadow);
  }
  unlock();
}

int shadow_read(Shadow *shadow, void *into, int amount, sqlite3_int64 offset) {
  sqlite3_int64 left;
  int found;
  lock();
  left = shadow->size > offset ? shadow->size - offset : 0;
  found = left < amount ? (int)left : amount;
  memcpy(into, shadow->bytes + offset, (size_t)found);
  unlock();
  /* SQLite asks that what is missing reads as zeros. */
  memset((char *)into + found, 0, (size_t)(amount - found));
  return found == amount ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void mark(Shadow *shadow, sqlite3_int64 from, sqlite3_int64 to) {
  sqlite3_int64 block;
  for (block = from / BLOCK; block * BLOCK < to; block++) shadow->unsynced[block] = 1;
}

int shadow_write(Shadow *shadow, const void *from, int amount, sqlite3_int64 offset) {
  int code;
  lock();
  code = grow(shadow, offset + amount);
  if (code == SQLITE_OK) {
    memcpy(shadow->bytes + offset, from, (size_t)amount);
    /* A write behind the end leaves a gap of zeros, which is written too. */
    mark(shadow, offset < shadow->size ? offset : shadow->size, offset + amount);
    if (offset + amount > shadow->size) shadow->size = offset + amount;
  }
  unlock();
  return code;
}

int shadow_truncate(Shadow *shadow, sqlite3_int64 size) {
  int code;
  lock();
  code = grow(shadow, size);
  if (code == SQLITE_OK) {
    if (size < shadow->size) memset(shadow->bytes + size, 0, (size_t)(shadow->size - size));
    shadow->size = size;
    shadow->resized = 1;
  }
  unlock();
  return code;
}

sqlite3_int64 shadow_size(Shadow *shadow) {
  sqlite3_int64 size;
  lock();
  size = shadow->size;
  unlock();
  return size;
}

static int write_block(Shadow *shadow, sqlite3_file *real, sqlite3_int64 block) {
  sqlite3_int64 from = block * BLOCK, left = shadow->size - from;
  int amount = left < BLOCK ? (int)left : BLOCK;
  int code = amount > 0 ? real->pMethods->xWrite(real, shadow->bytes + from, amount, from) : SQLITE_OK;
  if (code == SQLITE_OK) shadow->unsynced[block] = 0;
  return code;
}

int shadow_sync(Shadow *shadow, sqlite3_file *real) {
  sqlite3_int64 block, blocks;
  int code = SQLITE_OK;
  lock();
  blocks = shadow->capacity / BLOCK;
  for (block = 0; block < blocks && code == SQLITE_OK; block++) {
    if (shadow->unsynced[block]) code = write_block(shadow, real, block);
  }
  if (code == SQLITE_OK && shadow->resized) {
    code = real->pMethods->xTruncate(real, shadow->size);
    if (code == SQLITE_OK) shadow->resized = 0;
  }
  unlock();
  return code;
}
