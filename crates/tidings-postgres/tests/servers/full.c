/* A disk that is full while a file says so: writes that would make a file longer are refused. TIDINGS_FULL names the file; the
   files of the server's own folder are meant whose path has TIDINGS_FULL_PART in it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_full(int fd, off_t end) {
    const char *marker = getenv("TIDINGS_FULL"), *part = getenv("TIDINGS_FULL_PART");
    if (!marker || !part || access(marker, F_OK) != 0) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat file;
    if (length < 0 || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return 0;
    path[length] = 0;
    return strstr(path, part) != NULL && end > file.st_size;
}

static off_t bytes(const struct iovec *parts, int count) {
    off_t sum = 0;
    for (int i = 0; i < count; i++) sum += (off_t)parts[i].iov_len;
    return sum;
}

#define REFUSE_IF_FULL(fd, end) \
    if (is_full(fd, end)) { errno = ENOSPC; return -1; }
#define NEXT(name, type) \
    static type next; \
    if (!next) next = (type)dlsym(RTLD_NEXT, name);

typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);
typedef ssize_t (*pwritev_fn)(int, const struct iovec *, int, off_t);
typedef int (*fallocate_fn)(int, off_t, off_t);

#define DEFINE_PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t size, off_t at) { \
        NEXT(#name, pwrite_fn) REFUSE_IF_FULL(fd, at + (off_t)size) return next(fd, data, size, at); \
    }
DEFINE_PWRITE(pwrite)
DEFINE_PWRITE(pwrite64)

#define DEFINE_PWRITEV(name) \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t at) { \
        NEXT(#name, pwritev_fn) REFUSE_IF_FULL(fd, at + bytes(parts, count)) return next(fd, parts, count, at); \
    }
DEFINE_PWRITEV(pwritev)
DEFINE_PWRITEV(pwritev64)

#define DEFINE_FALLOCATE(name) \
    int name(int fd, off_t at, off_t size) { \
        NEXT(#name, fallocate_fn) if (is_full(fd, at + size)) return ENOSPC; return next(fd, at, size); \
    }
DEFINE_FALLOCATE(posix_fallocate)
DEFINE_FALLOCATE(posix_fallocate64)
