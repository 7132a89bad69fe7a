/* A wrong clock for a process: LD_PRELOAD this, and CLOCK_WRONG_BY names the seconds. Waiting takes as long as ever. libfaketime
   0.9.10 does not do: under it, Python 3.11's time.sleep fails. Abseil, in gRPC, waits for a time of the day by syscall(). */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

static long wrong_by(void) {
    const char *told = getenv("CLOCK_WRONG_BY");
    return told ? atol(told) : 0;
}

static long raw(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *found) {
    long result = raw(SYS_clock_gettime, clock, (long)found, 0, 0, 0, 0);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) found->tv_sec += wrong_by();
    return result ? -1 : 0;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    found->tv_sec = now.tv_sec;
    found->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *found) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (found) *found = now.tv_sec;
    return now.tv_sec;
}

extern int *__errno_location(void);

long syscall(long number, ...) {
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    struct timespec until;
    if (number == SYS_futex && (b & FUTEX_CLOCK_REALTIME) && d) {
        until = *(struct timespec *)d;
        until.tv_sec -= wrong_by();
        d = (long)&until;
    }
    long result = raw(number, a, b, c, d, e, f);
    if (result < 0 && result > -4096) {
        *__errno_location() = (int)-result;
        return -1;
    }
    return result;
}
