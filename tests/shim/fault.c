// A disk that fails: preloaded into a process, it counts writes and syncs below a directory and makes the N-th one a fault.
//
// Environment:
//   CAUDAL_FAULT_DIR       the directory that is watched; it must exist
//   CAUDAL_FAULT_COUNTERS  a file of three u64 (writes, syncs, whether the fault happened), kept up to date
//   CAUDAL_FAULT_ON        "write" or "sync": what is counted up to the fault
//   CAUDAL_FAULT_AT        which one fails, from 1; 0 or absent for none
//   CAUDAL_FAULT_MODE      kill: the process dies before it
//                          eio, enospc: it fails, and so does every write and sync after it
//                          eio-once, enospc-once: it alone fails
//                          drop: the process and the machine die before it: what was synced is copied to CAUDAL_FAULT_SURVIVED
//                          tear: as drop, but of what was not synced every name is kept and the first half of the bytes,
//                          as disks may
//   CAUDAL_FAULT_SYNC_MS   how long each sync takes, at least
//   CAUDAL_FAULT_SURVIVED  drop and tear: where what survived goes; it must not exist
//   CAUDAL_FAULT_SHADOW    drop and tear: an empty directory for what is synced so far
//
// A write is: write, writev, pwrite, pwritev, ftruncate, truncate, fallocate, rename, unlink, mkdir, rmdir, and an open that
// creates or truncates. A sync is: fsync, fdatasync. Syncs are modelled and not passed on, which makes a run on a slow disk fast.
//
// The model of drop: a file's bytes and size survive as of its last fsync or fdatasync. A name of a file or a directory
// (made, renamed, removed) survives as of the last fsync of the directory it is in, whatever was synced of the file: the
// least that POSIX promises. What happened to the names of one directory survives together.
//
// Not modelled: memory-mapped writes, io_uring, copy_file_range, sendfile, hard links, system calls that do not go through
// the C library's functions (fopen's own writes among them), sectors torn in the middle. sync_file_range and close make
// nothing durable, which is right.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { NONE, KILL, FAIL, DROP };
enum kind { WRITE, SYNC };

struct span {
    off_t start, end;
};

// A file or directory, by the life of its inode: a number that is used again is another file.
struct file {
    dev_t device;
    ino_t inode;
    int directory, named;
    struct span *unsynced;
    size_t spans;
};

// A name in a directory: the file it names now, and the one it names after a crash; -1 for none.
struct name {
    int directory;
    char *base;
    int now, durable;
};

static struct {
    char root[PATH_MAX];
    const char *shadow, *survived;
    uint64_t *counters;
    uint64_t at;
    unsigned sync_us;
    enum kind on;
    enum mode mode;
    int error, once, tear, failing;
    struct file *files;
    int file_count;
    struct name *names;
    int name_count;
} shim;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t started = PTHREAD_ONCE_INIT;

#define REAL(result, function, ...) static result (*real_##function)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, openat64, int, const char *, int, ...);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
REAL(ssize_t, pwritev64, int, const struct iovec *, int, off_t);
REAL(int, ftruncate64, int, off_t);
REAL(int, truncate64, const char *, off_t);
REAL(int, fallocate64, int, int, off_t, off_t);
REAL(int, renameat2, int, const char *, int, const char *, unsigned);
REAL(int, unlinkat, int, const char *, int);
REAL(int, mkdirat, int, const char *, mode_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);

static void die(const char *what) {
    fprintf(stderr, "fault shim: %s: %s\n", what, strerror(errno));
    abort();
}

static void *grown(void *array, size_t count, size_t size) {
    // Doubled whenever the count is a power of two.
    if (count & (count - 1)) return array;
    void *larger = realloc(array, (count ? 2 * count : 1) * size);
    if (!larger) die("memory");
    return larger;
}

static void copy_span(int from, int to, off_t start, off_t end) {
    char bytes[1 << 16];
    while (start < end) {
        size_t length = end - start < (off_t)sizeof bytes ? (size_t)(end - start) : sizeof bytes;
        ssize_t got = pread(from, bytes, length, start);
        if (got < 0) die("read");
        if (got == 0) return;
        if (real_pwrite64(to, bytes, got, start) != got) die("copy");
        start += got;
    }
}

static void copy_file(const char *from_path, const char *to_path) {
    int from = real_open64(from_path, O_RDONLY | O_CLOEXEC);
    int to = real_open64(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct stat status;
    if (from < 0 || to < 0 || fstat(from, &status) || real_ftruncate64(to, status.st_size)) die(to_path);
    copy_span(from, to, 0, status.st_size);
    close(from);
    close(to);
}

static void shadow_path(char *path, int file) { snprintf(path, PATH_MAX, "%s/%d", shim.shadow, file); }

// A file not seen before, as it is now durable: empty, or with the bytes of `path`.
static int new_file(const struct stat *status, const char *path) {
    shim.files = grown(shim.files, shim.file_count, sizeof *shim.files);
    int file = shim.file_count++, directory = S_ISDIR(status->st_mode);
    shim.files[file] = (struct file){status->st_dev, status->st_ino, directory, 1, NULL, 0};
    if (shim.mode == DROP && !directory) {
        char shadow[PATH_MAX];
        shadow_path(shadow, file);
        if (path) {
            copy_file(path, shadow);
        } else {
            int empty = real_open64(shadow, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
            if (empty < 0) die(shadow);
            close(empty);
        }
    }
    return file;
}

// The latest file with this inode, -1 when it is none of ours: one that has a name, after ours lost its own, is another's.
static int file_with(const struct stat *status) {
    for (int file = shim.file_count - 1; file >= 0; file--)
        if (shim.files[file].inode == status->st_ino && shim.files[file].device == status->st_dev)
            return shim.files[file].named || !status->st_nlink ? file : -1;
    return -1;
}

static int file_of(int fd, struct stat *status) { return fstat(fd, status) ? -1 : file_with(status); }

// The directory that a path is in and its name there; -1 when it is none of ours.
static int directory_of(int dirfd, const char *path, const char **base) {
    struct stat status;
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!shim.root[0] || !path || !*path || (slash && !slash[1])) return -1;
    if (slash) {
        char parent[PATH_MAX];
        if (snprintf(parent, sizeof parent, "%.*s", (int)(slash - path) + 1, path) >= PATH_MAX) return -1;
        if (fstatat(dirfd, parent, &status, 0)) return -1;
    } else if (dirfd == AT_FDCWD ? stat(".", &status) : fstat(dirfd, &status)) {
        return -1;
    }
    *base = slash ? slash + 1 : path;
    int directory = file_with(&status);
    return directory >= 0 && shim.files[directory].directory ? directory : -1;
}

static struct name *name_of(int directory, const char *base) {
    for (int i = 0; i < shim.name_count; i++)
        if (shim.names[i].directory == directory && !strcmp(shim.names[i].base, base)) return &shim.names[i];
    shim.names = grown(shim.names, shim.name_count, sizeof *shim.names);
    struct name *name = &shim.names[shim.name_count++];
    *name = (struct name){.directory = directory, .base = strdup(base), .now = -1, .durable = -1};
    return name;
}

static void name_now(struct name *name, int file) {
    if (name->now >= 0) shim.files[name->now].named = 0;
    if (file >= 0) shim.files[file].named = 1;
    name->now = file;
}

static int found_at_start(const char *path, const struct stat *status, int type, struct FTW *walk) {
    if (type != FTW_F && type != FTW_D) return 0;
    int file = new_file(status, path);
    if (walk->level) {
        const char *base;
        struct name *name = name_of(directory_of(AT_FDCWD, path, &base), path + walk->base);
        name->now = name->durable = file;
    }
    return 0;
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void read_mode(const char *mode) {
    shim.once = strstr(mode, "-once") != NULL;
    shim.tear = !strcmp(mode, "tear");
    if (!strcmp(mode, "kill")) shim.mode = KILL;
    else if (!strncmp(mode, "eio", 3)) shim.mode = FAIL, shim.error = EIO;
    else if (!strncmp(mode, "enospc", 6)) shim.mode = FAIL, shim.error = ENOSPC;
    else if (!strcmp(mode, "drop") || shim.tear) shim.mode = DROP;
    else errno = EINVAL, die(mode);
}

static void start(void) {
#define FIND(function) (real_##function = dlsym(RTLD_NEXT, #function))
    FIND(open64), FIND(openat64), FIND(write), FIND(writev), FIND(pwrite64), FIND(pwritev64), FIND(ftruncate64);
    FIND(truncate64), FIND(fallocate64), FIND(renameat2), FIND(unlinkat), FIND(mkdirat), FIND(fsync), FIND(fdatasync);
    const char *root = setting("CAUDAL_FAULT_DIR");
    if (!root) return;
    if (setting("CAUDAL_FAULT_MODE")) read_mode(setting("CAUDAL_FAULT_MODE"));
    if (setting("CAUDAL_FAULT_AT")) shim.at = strtoull(setting("CAUDAL_FAULT_AT"), NULL, 10);
    if (setting("CAUDAL_FAULT_SYNC_MS")) shim.sync_us = 1000 * atoi(setting("CAUDAL_FAULT_SYNC_MS"));
    shim.on = setting("CAUDAL_FAULT_ON") && !strcmp(setting("CAUDAL_FAULT_ON"), "sync") ? SYNC : WRITE;
    shim.shadow = setting("CAUDAL_FAULT_SHADOW");
    shim.survived = setting("CAUDAL_FAULT_SURVIVED");
    errno = EINVAL;
    if (shim.mode == DROP && (!shim.shadow || !shim.survived)) die("CAUDAL_FAULT_SHADOW and CAUDAL_FAULT_SURVIVED");
    const char *counters = setting("CAUDAL_FAULT_COUNTERS");
    if (!counters) die("CAUDAL_FAULT_COUNTERS");
    int fd = real_open64(counters, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || real_ftruncate64(fd, 3 * sizeof(uint64_t))) die(counters);
    shim.counters = mmap(NULL, 3 * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shim.counters == MAP_FAILED) die(counters);
    close(fd);
    char resolved[PATH_MAX];
    if (!realpath(root, resolved)) die(root);
    strcpy(shim.root, resolved);
    if (nftw(resolved, found_at_start, 16, FTW_PHYS)) die(resolved);
}

__attribute__((constructor)) static void start_once(void) { pthread_once(&started, start); }

// Adds the first half of a file's unsynced bytes, taken from `from_path`, to what survived of it.
static void survive_half(const struct file *file, const char *from_path, const char *to_path) {
    int from = real_open64(from_path, O_RDONLY | O_CLOEXEC), to = real_open64(to_path, O_WRONLY | O_CLOEXEC);
    if (from < 0 || to < 0) die(to_path);
    off_t left = 0;
    for (size_t span = 0; span < file->spans; span++) left += file->unsynced[span].end - file->unsynced[span].start;
    left /= 2;
    for (size_t span = 0; span < file->spans && left > 0; span++) {
        off_t start = file->unsynced[span].start, end = file->unsynced[span].end;
        if (end - start > left) end = start + left;
        copy_span(from, to, start, end);
        left -= end - start;
    }
    close(from);
    close(to);
}

// Copies what survives of a directory. `path` is where it is now, of use only where all names survive.
static void survive(int directory, const char *path, const char *target) {
    if (real_mkdirat(AT_FDCWD, target, 0755)) die(target);
    for (int i = 0; i < shim.name_count; i++) {
        const struct name *name = &shim.names[i];
        int file = shim.tear ? name->now : name->durable;
        if (name->directory != directory || file < 0) continue;
        char below_path[PATH_MAX], below_target[PATH_MAX], shadow[PATH_MAX];
        if (snprintf(below_path, PATH_MAX, "%s/%s", path, name->base) >= PATH_MAX) die(path);
        if (snprintf(below_target, PATH_MAX, "%s/%s", target, name->base) >= PATH_MAX) die(target);
        if (shim.files[file].directory) {
            survive(file, below_path, below_target);
            continue;
        }
        shadow_path(shadow, file);
        copy_file(shadow, below_target);
        if (shim.tear && shim.files[file].spans) survive_half(&shim.files[file], below_path, below_target);
    }
}

// Counts, with the lock held. Returns 0 to go on, or an error number to fail with.
static int counted(enum kind kind) {
    uint64_t count = ++shim.counters[kind];
    if (shim.failing) return shim.error;
    if (shim.mode == NONE || kind != shim.on || count != shim.at) return 0;
    shim.counters[2] = 1;
    if (shim.mode == FAIL) {
        shim.failing = !shim.once;
        return shim.error;
    }
    if (shim.mode == DROP) survive(0, shim.root, shim.survived);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void touched(int file, off_t start, off_t end) {
    struct file *touched = &shim.files[file];
    if (shim.mode != DROP) return;
    struct span *last = touched->spans ? &touched->unsynced[touched->spans - 1] : NULL;
    if (last && last->end == start) {
        last->end = end;
        return;
    }
    touched->unsynced = grown(touched->unsynced, touched->spans, sizeof *touched->unsynced);
    touched->unsynced[touched->spans++] = (struct span){start, end};
}

static void synced_file(int fd, int file, const struct stat *status) {
    char path[64], shadow[PATH_MAX];
    // Once more, since `fd` may be for writing only and the file without a name.
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    shadow_path(shadow, file);
    int from = real_open64(path, O_RDONLY | O_CLOEXEC), to = real_open64(shadow, O_WRONLY | O_CLOEXEC);
    if (from < 0 || to < 0 || real_ftruncate64(to, status->st_size)) die(shadow);
    struct file *synced = &shim.files[file];
    for (size_t span = 0; span < synced->spans; span++)
        copy_span(from, to, synced->unsynced[span].start, synced->unsynced[span].end);
    synced->spans = 0;
    close(from);
    close(to);
}

static void synced_directory(int directory) {
    for (int i = 0; i < shim.name_count; i++)
        if (shim.names[i].directory == directory) shim.names[i].durable = shim.names[i].now;
}

static int failed(int error) {
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
}

static int sync_fd(int fd, int (*real)(int)) {
    start_once();
    if (shim.sync_us) usleep(shim.sync_us);
    pthread_mutex_lock(&lock);
    struct stat status;
    int file = file_of(fd, &status);
    if (file < 0) {
        pthread_mutex_unlock(&lock);
        return real(fd);
    }
    int error = counted(SYNC);
    if (error) return failed(error);
    if (shim.mode == DROP) {
        if (shim.files[file].directory) synced_directory(file);
        else synced_file(fd, file, &status);
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd) { return sync_fd(fd, real_fsync); }
int fdatasync(int fd) { return sync_fd(fd, real_fdatasync); }

// What happens around a write: `offset` is -1 for one at the file's position.
#define WRITING(fd, offset, call)                                                                  \
    start_once();                                                                                  \
    struct stat status;                                                                            \
    pthread_mutex_lock(&lock);                                                                     \
    int file = file_of(fd, &status);                                                               \
    if (file >= 0) {                                                                               \
        int error = counted(WRITE);                                                                \
        if (error) return failed(error);                                                           \
    }                                                                                              \
    if (file < 0) pthread_mutex_unlock(&lock);                                                     \
    ssize_t wrote = call;                                                                          \
    if (file >= 0) {                                                                               \
        int error = errno;                                                                         \
        if (wrote > 0) {                                                                           \
            off_t end = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset + wrote;                      \
            touched(file, end - wrote, end);                                                       \
        }                                                                                          \
        pthread_mutex_unlock(&lock);                                                               \
        errno = error;                                                                             \
    }                                                                                              \
    return wrote;

ssize_t write(int fd, const void *bytes, size_t length) { WRITING(fd, (off_t)-1, real_write(fd, bytes, length)) }
ssize_t writev(int fd, const struct iovec *parts, int count) { WRITING(fd, (off_t)-1, real_writev(fd, parts, count)) }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) {
    WRITING(fd, offset, real_pwrite64(fd, bytes, length, offset))
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
    WRITING(fd, offset, real_pwritev64(fd, parts, count, offset))
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) { return pwritev64(fd, parts, count, offset); }

static int resize(int fd, int (*real)(int, off_t, off_t, int), off_t first, off_t second, int flags) {
    start_once();
    pthread_mutex_lock(&lock);
    struct stat status;
    int file = file_of(fd, &status);
    if (file < 0) {
        pthread_mutex_unlock(&lock);
        return real(fd, first, second, flags);
    }
    int error = counted(WRITE);
    if (error) return failed(error);
    int result = real(fd, first, second, flags);
    error = errno;
    struct stat after;
    if (!result && !fstat(fd, &after)) {
        // Bytes between the sizes are zeros now, and what was cut may be grown over later.
        off_t low = after.st_size < status.st_size ? after.st_size : status.st_size;
        off_t high = after.st_size < status.st_size ? status.st_size : after.st_size;
        if (low < high) touched(file, low, high);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static int resize_truncate(int fd, off_t size, off_t unused, int flags) {
    (void)unused, (void)flags;
    return real_ftruncate64(fd, size);
}
static int resize_allocate(int fd, off_t offset, off_t length, int flags) {
    return real_fallocate64(fd, flags, offset, length);
}

int ftruncate64(int fd, off_t size) { return resize(fd, resize_truncate, size, 0, 0); }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fallocate64(int fd, int flags, off_t offset, off_t length) {
    return resize(fd, resize_allocate, offset, length, flags);
}
int fallocate(int fd, int flags, off_t offset, off_t length) { return fallocate64(fd, flags, offset, length); }
int posix_fallocate64(int fd, off_t offset, off_t length) { return fallocate64(fd, 0, offset, length) ? errno : 0; }
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

int truncate64(const char *path, off_t size) {
    int fd = open64(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = ftruncate64(fd, size), error = errno;
    close(fd);
    errno = error;
    return result;
}
int truncate(const char *path, off_t size) { return truncate64(path, size); }

static int open_at(int dirfd, const char *path, int flags, mode_t mode) {
    start_once();
    if (!(flags & (O_CREAT | O_TRUNC))) return real_openat64(dirfd, path, flags, mode);
    pthread_mutex_lock(&lock);
    const char *base;
    int directory = directory_of(dirfd, path, &base);
    if (directory < 0) {
        pthread_mutex_unlock(&lock);
        return real_openat64(dirfd, path, flags, mode);
    }
    struct stat before, after;
    int was_there = !fstatat(dirfd, path, &before, 0), error;
    if ((!was_there || (flags & O_TRUNC)) && (error = counted(WRITE))) return failed(error);
    int fd = real_openat64(dirfd, path, flags, mode);
    error = errno;
    if (fd >= 0 && !fstat(fd, &after) && S_ISREG(after.st_mode)) {
        if (!was_there) name_now(name_of(directory, base), new_file(&after, NULL));
        else if (flags & O_TRUNC) touched(file_with(&after), 0, before.st_size);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define OPEN_MODE(flags)                        \
    mode_t mode = 0;                            \
    if ((flags) & O_CREAT) {                    \
        va_list arguments;                      \
        va_start(arguments, flags);             \
        mode = va_arg(arguments, unsigned);     \
        va_end(arguments);                      \
    }

int open(const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int dirfd, const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char *path, int flags, ...) {
    OPEN_MODE(flags)
    return open_at(dirfd, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    start_once();
    pthread_mutex_lock(&lock);
    const char *from_base, *to_base;
    int from_directory = directory_of(from_dir, from, &from_base), to_directory = directory_of(to_dir, to, &to_base);
    if (from_directory < 0 || to_directory < 0) {
        pthread_mutex_unlock(&lock);
        return real_renameat2(from_dir, from, to_dir, to, flags);
    }
    int error = counted(WRITE);
    if (error) return failed(error);
    int result = real_renameat2(from_dir, from, to_dir, to, flags);
    error = errno;
    if (!result) {
        int file = name_of(from_directory, from_base)->now;
        name_now(name_of(from_directory, from_base), -1);
        name_now(name_of(to_directory, to_base), file);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return renameat2(from_dir, from, to_dir, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int dirfd, const char *path, int flags) {
    start_once();
    pthread_mutex_lock(&lock);
    const char *base;
    int directory = directory_of(dirfd, path, &base), error;
    if (directory >= 0 && (error = counted(WRITE))) return failed(error);
    int result = real_unlinkat(dirfd, path, flags);
    error = errno;
    if (directory >= 0 && !result) name_now(name_of(directory, base), -1);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int dirfd, const char *path, mode_t mode) {
    start_once();
    pthread_mutex_lock(&lock);
    const char *base;
    struct stat made;
    int directory = directory_of(dirfd, path, &base), error;
    if (directory >= 0 && (error = counted(WRITE))) return failed(error);
    int result = real_mkdirat(dirfd, path, mode);
    error = errno;
    if (directory >= 0 && !result && !fstatat(dirfd, path, &made, 0))
        name_now(name_of(directory, base), new_file(&made, NULL));
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
