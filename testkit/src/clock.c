/* A clock that a test moves: loaded before the server's own libraries, it answers the wall time that stands in the
 * file named by STOCK_CLOCK (milliseconds since 1970, 8 bytes, native order), as long as that is not 0. The monotonic
 * clocks stay as they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *wall_ms;

__attribute__((constructor)) static void map_the_file(void) {
    const char *path = getenv("STOCK_CLOCK");
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) wall_ms = page;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *ts) {
    int64_t ms = wall_ms ? *wall_ms : 0;
    if (ms && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec = ms / 1000;
        ts->tv_nsec = ms % 1000 * 1000000;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, ts);
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz) {
    (void)tz;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    if (out) *out = ts.tv_sec;
    return ts.tv_sec;
}
