/*
** Two VFS shims over SQLite's default VFS, by name:
**
**   forgetful  keeps unsynced writes in memory, so that killing the process is losing power (see shadow.c). A sync
**              does not wait for the disk: the kernel outlives the process that is killed.
**   bounded    refuses, with SQLITE_FULL, whatever would make a file longer while a file `<database>-full` exists.
**
** They are registered before `main` runs, so that no Rust code has to be unsafe. Locks and shared memory are the
** default VFS's own. There is no memory mapping: it would pass the shims by.
*/
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"

typedef struct {
  sqlite3_file base;
  Shadow *shadow; /* of the forgetful VFS, for files that outlive the connection */
  char *full;     /* of the bounded VFS: while this file exists the disk is full */
  sqlite3_file *real;
} File;

static sqlite3_file *real(sqlite3_file *file) { return ((File *)file)->real; }
static Shadow *shadow(sqlite3_file *file) { return ((File *)file)->shadow; }
static sqlite3_vfs *below(sqlite3_vfs *vfs) { return (sqlite3_vfs *)vfs->pAppData; }

static int f_close(sqlite3_file *file) {
  int code = real(file)->pMethods->xClose(real(file));
  if (shadow(file)) shadow_close(shadow(file));
  free(((File *)file)->full);
  return code;
}

static int f_read(sqlite3_file *file, void *into, int amount, sqlite3_int64 offset) {
  if (shadow(file)) return shadow_read(shadow(file), into, amount, offset);
  return real(file)->pMethods->xRead(real(file), into, amount, offset);
}

static int is_refused(sqlite3_file *file, sqlite3_int64 end) {
  sqlite3_int64 size = 0;
  const char *full = ((File *)file)->full;
  if (!full || access(full, F_OK) != 0) return 0;
  return real(file)->pMethods->xFileSize(real(file), &size) == SQLITE_OK && end > size;
}

static int f_write(sqlite3_file *file, const void *from, int amount, sqlite3_int64 offset) {
  if (is_refused(file, offset + amount)) return SQLITE_FULL;
  if (shadow(file)) return shadow_write(shadow(file), from, amount, offset);
  return real(file)->pMethods->xWrite(real(file), from, amount, offset);
}

static int f_truncate(sqlite3_file *file, sqlite3_int64 size) {
  if (shadow(file)) return shadow_truncate(shadow(file), size);
  return real(file)->pMethods->xTruncate(real(file), size);
}

static int f_sync(sqlite3_file *file, int flags) {
  if (shadow(file)) return shadow_sync(shadow(file), real(file));
  return real(file)->pMethods->xSync(real(file), flags);
}

static int f_size(sqlite3_file *file, sqlite3_int64 *size) {
  if (!shadow(file)) return real(file)->pMethods->xFileSize(real(file), size);
  *size = shadow_size(shadow(file));
  return SQLITE_OK;
}

static int f_lock(sqlite3_file *file, int level) { return real(file)->pMethods->xLock(real(file), level); }
static int f_unlock(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
static int f_reserved(sqlite3_file *file, int *out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}

static int f_control(sqlite3_file *file, int op, void *argument) {
  /* These change the real file, or read it, behind the shims' back. */
  if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE || op == SQLITE_FCNTL_MMAP_SIZE) {
    return SQLITE_NOTFOUND;
  }
  return real(file)->pMethods->xFileControl(real(file), op, argument);
}

static int f_sector(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int f_traits(sqlite3_file *file) {
  /* Atomic batch writes would go through file controls. */
  return real(file)->pMethods->xDeviceCharacteristics(real(file)) & ~SQLITE_IOCAP_BATCH_ATOMIC;
}

static int f_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}
static int f_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}
static void f_shm_barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int f_shm_unmap(sqlite3_file *file, int delete) {
  return real(file)->pMethods->xShmUnmap(real(file), delete);
}

static const sqlite3_io_methods METHODS = {
    2,      f_close,    f_read,    f_write,   f_truncate, f_sync,    f_size,     f_lock,        f_unlock,
    f_reserved, f_control, f_sector, f_traits, f_shm_map, f_shm_lock, f_shm_barrier, f_shm_unmap, 0, 0,
};

/* `<database>-full`, from the name of the database or of its WAL. NULL when out of memory. */
static char *full_marker(const char *name) {
  size_t length = strlen(name);
  char *path = malloc(length + sizeof("-full"));
  if (!path) return 0;
  if (length > 4 && strcmp(name + length - 4, "-wal") == 0) length -= 4;
  memcpy(path, name, length);
  strcpy(path + length, "-full");
  return path;
}

static int v_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags) {
  File *f = (File *)file;
  int lasting = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
  int code;
  memset(f, 0, sizeof(File));
  f->real = (sqlite3_file *)(f + 1);
  code = below(vfs)->xOpen(below(vfs), name, f->real, flags, out_flags);
  if (code != SQLITE_OK) return code;
  if (name && (flags & lasting)) {
    int ok;
    if (strcmp(vfs->zName, "forgetful") == 0) {
      f->shadow = shadow_open(name, f->real);
      ok = f->shadow != 0;
    } else {
      f->full = full_marker(name);
      ok = f->full != 0;
    }
    if (!ok) {
      f->real->pMethods->xClose(f->real);
      return SQLITE_IOERR_NOMEM;
    }
  }
  file->pMethods = &METHODS;
  return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_folder) {
  if (strcmp(vfs->zName, "forgetful") == 0) shadow_forget(name);
  return below(vfs)->xDelete(below(vfs), name, sync_folder);
}

/* Everything else is the default VFS's. Its functions find their state through the VFS they are given, so they are
** given theirs. */
static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out) {
  return below(vfs)->xAccess(below(vfs), name, flags, out);
}
static int v_full_path(sqlite3_vfs *vfs, const char *name, int size, char *out) {
  return below(vfs)->xFullPathname(below(vfs), name, size, out);
}
static int v_random(sqlite3_vfs *vfs, int size, char *out) {
  return below(vfs)->xRandomness(below(vfs), size, out);
}
static int v_sleep(sqlite3_vfs *vfs, int us) { return below(vfs)->xSleep(below(vfs), us); }
static int v_time(sqlite3_vfs *vfs, double *out) { return below(vfs)->xCurrentTime(below(vfs), out); }
static int v_time64(sqlite3_vfs *vfs, sqlite3_int64 *out) {
  return below(vfs)->xCurrentTimeInt64(below(vfs), out);
}
static int v_error(sqlite3_vfs *vfs, int size, char *out) {
  return below(vfs)->xGetLastError(below(vfs), size, out);
}

static void add(sqlite3_vfs *vfs, const char *name, sqlite3_vfs *base) {
  vfs->iVersion = 2;
  vfs->szOsFile = (int)sizeof(File) + base->szOsFile;
  vfs->mxPathname = base->mxPathname;
  vfs->zName = name;
  vfs->pAppData = base;
  vfs->xOpen = v_open;
  vfs->xDelete = v_delete;
  vfs->xAccess = v_access;
  vfs->xFullPathname = v_full_path;
  vfs->xRandomness = v_random;
  vfs->xSleep = v_sleep;
  vfs->xCurrentTime = v_time;
  vfs->xCurrentTimeInt64 = v_time64;
  vfs->xGetLastError = v_error;
  sqlite3_vfs_register(vfs, 0);
}

__attribute__((constructor)) static void register_faults(void) {
  static sqlite3_vfs forgetful, bounded;
  sqlite3_vfs *base = sqlite3_vfs_find(0);
  if (!base) return;
  add(&forgetful, "forgetful", base);
  add(&bounded, "bounded", base);
}
