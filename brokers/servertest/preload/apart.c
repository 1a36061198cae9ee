// Preloaded into a server, it has that read another time of day than the machine's: so many seconds ahead as the variable
// TASKBENCH_AHEAD says. Clocks that only measure how long something takes are left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
	static long seconds;
	static int known;
	if (!known) {
		const char *text = getenv("TASKBENCH_AHEAD");
		seconds = text ? atol(text) : 0;
		known = 1;
	}
	return seconds;
}

int clock_gettime(clockid_t id, struct timespec *t) {
	int failed = syscall(SYS_clock_gettime, id, t);
	if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		t->tv_sec += ahead();
	}
	return failed;
}

int gettimeofday(struct timeval *t, void *zone) {
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t) {
		*t = now.tv_sec;
	}
	return now.tv_sec;
}

// The kernel waits until a time of its own. What lies near ours was made of it.
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
	static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	struct timespec at = *until;
	long off = at.tv_sec - time(NULL);
	if (!real) {
		real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
		if (!real) {
			real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
		}
	}
	if (off > -1800 && off < 1800) {
		at.tv_sec -= ahead();
	}
	return real(cond, mutex, &at);
}
