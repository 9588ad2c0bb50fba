/* A disk that refuses: preloaded into a process, makes one write below a folder fail, or that and all after it.

   cc -shared -fPIC -o failing_writes.so failing_writes.c -ldl
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[PATH_MAX];
static int fails_at, with, lasting, seen;

/* From now on, fail the write with number `at` (from 1; 0: none) below `where`. */
void arm(const char *where, int at, int error, int until_disarmed) {
    snprintf(folder, sizeof folder, "%s/", where);
    fails_at = at, with = error, lasting = until_disarmed, seen = 0;
}

int writes_seen(void) { return seen; }

static int refuses_path(const char *path) {
    if (!folder[0] || strncmp(path, folder, strlen(folder)) != 0) return 0;
    seen++;
    if (!fails_at || (lasting ? seen < fails_at : seen != fails_at)) return 0;
    errno = with;
    return 1;
}

static int refuses(int file) {
    char link[64], path[PATH_MAX] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return readlink(link, path, sizeof path - 1) > 0 && refuses_path(path);
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t size) {
    return refuses(file) ? -1 : REAL(ssize_t, write, int, const void *, size_t)(file, data, size);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return refuses(file) ? -1 : REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return refuses(file) ? -1 : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(file, data, size, at);
}
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    return refuses(fileno(file)) ? 0 : REAL(size_t, fwrite, const void *, size_t, size_t, FILE *)(data, size, count, file);
}
int fsync(int file) { return refuses(file) ? -1 : REAL(int, fsync, int)(file); }
int fdatasync(int file) { return refuses(file) ? -1 : REAL(int, fdatasync, int)(file); }
int ftruncate(int file, off_t size) { return refuses(file) ? -1 : REAL(int, ftruncate, int, off_t)(file, size); }
int ftruncate64(int file, off64_t size) { return refuses(file) ? -1 : REAL(int, ftruncate64, int, off64_t)(file, size); }
int rename(const char *from, const char *to) {
    return refuses_path(to) ? -1 : REAL(int, rename, const char *, const char *)(from, to);
}
