// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's side of `scripts/bench control`: one load on ports, whose other
 * ends are control-peer's. Prints one JSON object.
 *
 *   control-load SECONDS write CHUNK SINK         many writes in flight
 *   control-load SECONDS ask CHUNK ANSWER         one at a time, each answered
 *   control-load SECONDS read CHUNK SOURCE
 *   control-load SECONDS beat 64 ANSWER           idle: one message in 10 ms
 *   control-load SECONDS beat 64 ANSWER SINK      the same while SINK is written
 *   control-load SECONDS beat 64 ANSWER SINK SOURCE   and SOURCE read
 *
 * and one that needs no port, what a program costs that is started here:
 *
 *   control-load COUNT spawn PROGRAM              posix_spawn() and waitpid()
 *
 * CPU time is that of the guest: wall time of all CPUs less idle and iowait.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES	200000

extern char **environ;

static char buf[1024 * 1024];
static double latency[SAMPLES];
static bool stop;

struct bulk {
	int fd;
	bool write;
	unsigned long long bytes;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Idle time of all CPUs, in seconds. */
static double idle(void)
{
	unsigned long long f[8];
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu", &f[0], &f[1],
			    &f[2], &f[3], &f[4]) != 5)
		exit(2);
	fclose(file);
	return (double)(f[3] + f[4]) / sysconf(_SC_CLK_TCK);
}

static int open_port(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static void *move_bulk(void *arg)
{
	char *chunk = calloc(1, 65536);
	struct bulk *b = arg;
	ssize_t n;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		n = b->write ? write(b->fd, chunk, 65536) :
			       read(b->fd, chunk, 65536);
		if (n <= 0)
			exit(2);
		b->bytes += n;
	}
	free(chunk);
	return NULL;
}

static void exchange(int fd, uint32_t len)
{
	size_t done = 0;
	ssize_t n;
	char c;

	memcpy(buf, &len, sizeof(len));
	while (done < len) {
		n = write(fd, buf + done, len - done);
		if (n <= 0)
			exit(2);
		done += n;
	}
	if (read(fd, &c, 1) != 1)
		exit(2);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(unsigned int n, double p)
{
	return n ? latency[(unsigned int)((n - 1) * p)] * 1e6 : 0;
}

/* Returns bytes moved and, in @samples, exchanges timed. */
static unsigned long long run(const char *load, size_t chunk, int fd,
			      double until, unsigned int *samples)
{
	unsigned long long bytes = 0;
	bool beat = !strcmp(load, "beat");
	double start;
	ssize_t n;

	while ((start = now()) < until) {
		if (!strcmp(load, "write")) {
			n = write(fd, buf, chunk);
		} else if (!strcmp(load, "read")) {
			n = read(fd, buf, chunk);
		} else {
			exchange(fd, chunk);
			n = chunk;
			if (*samples < SAMPLES)
				latency[(*samples)++] = now() - start;
			if (beat)
				usleep(10000);
		}
		if (n <= 0)
			exit(2);
		bytes += n;
	}
	return bytes;
}

static int spawn(unsigned int count, char *program)
{
	char *argv[] = { program, NULL };
	unsigned int i;
	double start;
	int status;
	pid_t pid;

	for (i = 0; i < count && i < SAMPLES; i++) {
		start = now();
		if (posix_spawn(&pid, program, NULL, NULL, argv, environ) ||
		    waitpid(pid, &status, 0) != pid || status)
			return 2;
		latency[i] = now() - start;
	}
	qsort(latency, i, sizeof(*latency), compare);
	printf("{\"mb_s\": 0, \"cpu_us_mib\": 0, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
	       percentile(i, 0.5), percentile(i, 0.99));
	return 0;
}

int main(int argc, char **argv)
{
	double seconds, start, wall, busy, idled;
	struct bulk bulk[2] = { 0 };
	unsigned int samples = 0;
	unsigned long long bytes;
	pthread_t thread[2];
	size_t chunk;
	int fd, i;

	if (argc == 4 && !strcmp(argv[2], "spawn"))
		return spawn(atoi(argv[1]), argv[3]);
	if (argc < 5 || argc > 7)
		return 2;
	seconds = atof(argv[1]);
	chunk = atoi(argv[3]);
	fd = open_port(argv[4]);
	for (i = 5; i < argc; i++) {
		bulk[i - 5].fd = open_port(argv[i]);
		bulk[i - 5].write = i == 5;
		pthread_create(&thread[i - 5], NULL, move_bulk, &bulk[i - 5]);
	}
	/* Until the flow is steady. */
	run(argv[2], chunk, fd, now() + seconds / 5, &samples);
	samples = 0;
	start = now();
	idled = idle();
	bytes = run(argv[2], chunk, fd, start + seconds, &samples);
	wall = now() - start;
	busy = wall * sysconf(_SC_NPROCESSORS_ONLN) - (idle() - idled);
	if (busy < 0)
		busy = 0;
	qsort(latency, samples, sizeof(*latency), compare);
	printf("{\"mb_s\": %.2f, \"cpu_us_mib\": %.1f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
	       bytes / wall / 1e6, bytes ? busy * 1e6 * 1048576 / bytes : 0,
	       percentile(samples, 0.5), percentile(samples, 0.99));
	fflush(stdout);
	_exit(0);
}
