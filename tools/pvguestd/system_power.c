// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shutdown and reboot with hooks and grace, and suspend.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "record_out.h"
#include "system.h"

#define LOCK	"/run/pvguestd.power"
/* What shuts down only asks init to; and wall gives each terminal a moment. */
#define PROGRAM_MS	30000u
#define WALL_MS		5000u
/* After it was asked for suspend, systemd takes this long at most to get there. */
#define SUSPEND_MS	60000u

/* One at a time; the lock is the doer's until it ends. */
static bool lock(struct doer *d, const char *verb)
{
	int fd = open(LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		doer_done(d, PVC_FAILED, "%s: %s: %s", verb, LOCK, strerror(errno));
		return false;
	}
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return true;
	doer_done(d, PVC_BUSY, "%s: a shutdown, reboot or suspend is under way", verb);
	return false;
}

/* To all who are logged in; false: there is no wall, or it failed. */
static bool tell_users(const char *text)
{
	static char *argv[] = { "wall", NULL };
	struct run run = {
		.path = "/usr/bin/wall", .argv = argv, .input = text, .timeout_ms = WALL_MS,
	};

	return !run_program(&run) && !run.timed_out && !run.status;
}

static void report_phase(struct doer *d, pvo_SystemPhase phase, __u32 seconds, bool told)
{
	pvo_SystemRecord rec = { .which_what = pvo_SystemRecord_progress_tag };

	rec.what.progress.phase = phase;
	rec.what.progress.seconds = seconds;
	rec.what.progress.told = told;
	doer_report(d, &rec);
}

static __u64 clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* Until the grace is over; false: the host has cancelled. A host that is lost has not. */
static bool wait_grace(struct doer *d, __u32 seconds)
{
	__u64 end = clock_ms(CLOCK_BOOTTIME) + seconds * 1000ull, now;

	while (!d->cancelled && (now = clock_ms(CLOCK_BOOTTIME)) < end)
		doer_wait(d, end - now);
	/* With no grace, too, what has been cancelled by now is not begun. */
	if (!d->cancelled)
		doer_wait(d, 0);
	return !d->cancelled;
}

static bool grace(struct doer *d, const struct system_order *order, const char *what)
{
	char text[512];
	bool told;

	snprintf(text, sizeof(text), "The host asks this system to %s%s%.*s\n", what,
		 order->text_len ? ": " : ".", (int)order->text_len, order->text);
	if (order->grace_s)
		snprintf(text, sizeof(text), "This system will %s in %u seconds%s%.*s\n", what,
			 order->grace_s, order->text_len ? ": " : ".",
			 (int)order->text_len, order->text);
	told = tell_users(text);
	report_phase(d, pvo_SystemPhase_PHASE_GRACE, order->grace_s, told);
	if (wait_grace(d, order->grace_s))
		return true;
	snprintf(text, sizeof(text), "The host has cancelled: this system will not %s.\n", what);
	tell_users(text);
	doer_done(d, PVC_CANCELLED, "cancelled");
	return false;
}

/* The host has been told all but the answer when this begins. */
static void go(struct doer *d, const char *verb, const char *path)
{
	char *argv[] = { (char *)(strrchr(path, '/') + 1), NULL };
	struct run run = { .path = path, .argv = argv, .timeout_ms = PROGRAM_MS };
	int ret = run_program(&run);

	if (ret)
		doer_done(d, PVC_FAILED, "%s: %s: %s; without it only 'pvhost %s --force' can",
			  verb, path, strerror(-ret), verb);
	else if (run.timed_out || run.status)
		doer_done(d, PVC_FAILED, "%s: %s %s: %.*s", verb, path,
			  run.timed_out ? "does not end" : "failed",
			  (int)run.tail_len, run.tail);
	else
		doer_done(d, PVC_OK, "%s", "");
}

void power_do(struct doer *d, const struct system_order *order)
{
	bool reboot = order->op == PVO_SYSTEM_REBOOT;
	const char *verb = reboot ? "reboot" : "shutdown";

	if (order->dry_run) {
		hooks_run(d, verb, order->hook_timeout_s, true);
		doer_done(d, PVC_OK, "%s", "");
		return;
	}
	if (doer_frozen(d, verb) || !lock(d, verb))
		return;
	log_line(5, "%s in %u s, as the host asks", verb, order->grace_s);
	if (!grace(d, order, reboot ? "reboot" : "power off"))
		return;
	report_phase(d, pvo_SystemPhase_PHASE_HOOKS, 0, false);
	hooks_run(d, verb, order->hook_timeout_s, false);
	doer_going(d);
	go(d, verb, reboot ? "/sbin/reboot" : "/sbin/poweroff");
}

static const struct {
	const char *name;	/* to a person, and to systemctl */
	const char *verb;
	const char *state;	/* in /sys/power/state */
	const char *disk;	/* in /sys/power/disk, where it has to be chosen */
} modes[] = {
	[pvo_SuspendMode_SUSPEND_MEM] = { "mem", "suspend", "mem", NULL },
	[pvo_SuspendMode_SUSPEND_DISK] = { "disk", "hibernate", "disk", NULL },
	[pvo_SuspendMode_SUSPEND_HYBRID] = { "hybrid", "hybrid-sleep", "disk", "suspend" },
};

/* Has a list of words of sysfs this one? The current one is in brackets. */
static bool has_word(const char *path, const char *word)
{
	char text[256], *save, *at;

	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	for (at = strtok_r(text, " []\n", &save); at; at = strtok_r(NULL, " []\n", &save))
		if (!strcmp(at, word))
			return true;
	return false;
}

static bool has_mode(__u32 mode)
{
	return has_word("/sys/power/state", modes[mode].state) &&
		(!modes[mode].disk || has_word("/sys/power/disk", modes[mode].disk));
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* Of all time since boot, how much was slept through. */
static __u64 slept_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME) - clock_ms(CLOCK_MONOTONIC);
}

/* Through systemd, which runs its own hooks; it says yes before it has. */
static int suspend_systemd(__u32 mode)
{
	char *argv[] = { "systemctl", (char *)modes[mode].verb, NULL };
	struct run run = {
		.path = "/usr/bin/systemctl", .argv = argv, .timeout_ms = PROGRAM_MS,
	};
	const __u64 before = slept_ms();
	__u64 end;
	int ret = run_program(&run);

	if (ret || run.timed_out || run.status)
		return ret ? ret : -EIO;
	/* Turns of 50 ms, for as long as that takes: there is no event to wait for. */
	for (end = clock_ms(CLOCK_MONOTONIC) + SUSPEND_MS;
	     slept_ms() < before + 100 && clock_ms(CLOCK_MONOTONIC) < end;)
		usleep(50000);
	return slept_ms() < before + 100 ? -ETIME : 0;
}

/* The word in brackets of a list of sysfs; @size bytes of room. */
static void current_word(const char *path, char *word, size_t size)
{
	char text[256], *at, *end;

	*word = '\0';
	if (read_text(path, text, sizeof(text)) <= 0)
		return;
	at = strchr(text, '[');
	end = at ? strchr(at, ']') : NULL;
	if (end)
		snprintf(word, size, "%.*s", (int)(end - at - 1), at + 1);
}

/* What the guest's owner chose for hibernation is as it was afterwards. */
static int suspend_kernel(__u32 mode)
{
	char before[32];
	int ret = 0;

	if (modes[mode].disk) {
		current_word("/sys/power/disk", before, sizeof(before));
		ret = write_text("/sys/power/disk", modes[mode].disk);
	}
	if (!ret)
		ret = write_text("/sys/power/state", modes[mode].state);
	if (modes[mode].disk && *before)
		write_text("/sys/power/disk", before);
	return ret;
}

static void refuse_mode(struct doer *d, __u32 mode)
{
	char offered[64] = "";
	__u32 i;

	for (i = 1; i < sizeof(modes) / sizeof(*modes); i++)
		if (has_mode(i)) {
			strcat(offered, " ");
			strcat(offered, modes[i].name);
		}
	doer_done(d, PVC_UNSUPPORTED, "suspend: this guest has no mode %s, it has%s",
		  modes[mode].name, *offered ? offered : " none");
}

static void report_slept(struct doer *d, __u64 ms)
{
	struct system_report rep = { .note = NOTE_DONE, .status = PVC_OK, .slept_ms = ms };

	if (!d->alone)
		send(d->fd, &rep, sizeof(rep), MSG_NOSIGNAL);
}

void suspend_do(struct doer *d, const struct system_order *order)
{
	struct stat st;
	__u64 before;
	int ret;

	if (!has_mode(order->mode)) {
		refuse_mode(d, order->mode);
		return;
	}
	if (doer_frozen(d, "suspend") || !lock(d, "suspend"))
		return;
	doer_going(d);
	if (d->cancelled) {
		doer_done(d, PVC_CANCELLED, "cancelled");
		return;
	}
	before = slept_ms();
	log_line(5, "suspend (%s), as the host asks", modes[order->mode].name);
	/* Where systemd runs the system; sd_booted(3) */
	ret = !lstat("/run/systemd/system", &st) && S_ISDIR(st.st_mode) ?
		suspend_systemd(order->mode) : suspend_kernel(order->mode);
	if (ret)
		doer_done(d, PVC_FAILED, "suspend: %s: %s", modes[order->mode].name,
			  strerror(-ret));
	else
		report_slept(d, slept_ms() - before);
}
