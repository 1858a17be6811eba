// SPDX-License-Identifier: GPL-2.0-only
/*
 * "pvguest policy": check what the files say, explain what they mean for a request, and show
 * or install the profiles that come with pvguest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "glob.h"
#include "policy_rules.h"

#define PROFILE_DIR	"/usr/share/pvguest/profiles"

static const char usage_text[] =
	"usage: pvguest policy check [DIR]\n"
	"       pvguest policy explain [-d DIR] [-p PRINCIPAL] [-u USER] VERB [ARGUMENT...]\n"
	"       pvguest policy profile NAME [--print | --install]\n"
	"\n"
	"  check    are the files of DIR in order? Exit status: 0 yes, 1 no: the host then has\n"
	"           what is open by default and nothing else\n"
	"  explain  may the host do this, and which rule says so? ARGUMENT is a command with its\n"
	"           arguments for exec, paths for files (put FILE changes it, get FILE reads it),\n"
	"           tcp:ADDRESS:PORT or unix:PATH for connect and listen, a key for kv-get and\n"
	"           so on. Exit status: 0 it may, 1 it may not\n"
	"  profile  a policy that is ready: monitor, operate or full; --install writes it to\n"
	"           " POLICY_DIR "\n"
	"\n"
	"DIR is " POLICY_DIR " unless another is named. pvguest-policy(5) has the grammar.\n";

static const char wrong_arguments[] = "too few arguments, too many, or an unknown option";

static int usage(const char *wrong)
{
	fprintf(stderr, "pvguest: policy: %s; pvguest policy --help tells more\n", wrong);
	return 2;
}

static void print_error(void *priv, const char *text)
{
	unsigned int *errors = priv;

	++*errors;
	fprintf(stderr, "pvguest: %s\n", text);
}

static void warn(const struct rule *rule, const char *what, const char *value, const char *why)
{
	printf("%s:%u: rule \"%s\": %s %s: %s\n", rule->file, rule->line, rule->name, what, value,
	       why);
}

/* A rule is about the file itself, and a link to it is another path. */
static void check_file(const struct rule *rule, const char *what, const char *path)
{
	char *real;

	if (glob_is_pattern(path))
		return;
	real = realpath(path, NULL);
	if (!real)
		warn(rule, what, path, strerror(errno));
	else if (strcmp(real, path))
		printf("%s:%u: rule \"%s\": %s %s is %s: the rule never matches, write that\n",
		       rule->file, rule->line, rule->name, what, path, real);
	free(real);
}

/* What is no error, but hardly meant. */
static void check_rule(const struct rule *rule)
{
	const struct entry *entry;

	for (entry = rule->list[LIST_COMMAND]; entry; entry = entry->next)
		check_file(rule, "command", entry->word[0]);
	for (entry = rule->list[LIST_ROOT]; entry; entry = entry->next)
		check_file(rule, "root", entry->word[0]);
	for (entry = rule->list[LIST_USER]; entry; entry = entry->next) {
		const char *name = entry->word[0] + (entry->word[0][0] == '!');

		if (!glob_is_pattern(name) && !getpwnam(name))
			warn(rule, "user", name, "there is no such user");
	}
}

static int check(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : POLICY_DIR;
	unsigned int errors = 0;
	struct policy *policy;
	struct rule *rule;

	if (argc > 2)
		return usage(wrong_arguments);
	if (argc > 1 && access(dir, R_OK | X_OK)) {
		fprintf(stderr, "pvguest: %s: %s\n", dir, strerror(errno));
		return 1;
	}
	policy = policy_read(dir, print_error, &errors);
	for (rule = policy->rules; rule && !errors; rule = rule->next)
		check_rule(rule);
	if (errors)
		printf("%s: %u error%s: closed but for what is open by default\n", dir, errors,
		       errors == 1 ? "" : "s");
	else
		printf("%s: in order, %u section%s\n", dir, policy->nr_rules,
		       policy->nr_rules == 1 ? "" : "s");
	policy_free(policy);
	return errors != 0;
}

/* What is explained: the policy, and on whose behalf and in whose name. */
struct asked {
	const struct policy *policy;
	const char *principal;
	const char *user;
	const char *verb;
};

static bool say(const char *what, const struct verdict *verdict)
{
	printf("%s: %s: %s\n", what, verdict->allowed ? "yes" : "no", verdict->text);
	return verdict->allowed;
}

static bool explain_command(const struct asked *a, char **argv)
{
	struct verdict verdict;
	char *real = realpath(argv[0], NULL);
	const char *path = real ? real : argv[0];
	bool allowed;

	if (real && strcmp(real, argv[0]))
		printf("%s is %s\n", argv[0], real);
	policy_command(a->policy, a->principal, a->user, path, argv, &verdict);
	allowed = say(path, &verdict);
	free(real);
	return allowed;
}

static bool changes(const char *verb)
{
	static const char *const readers[] = { "get", "ls", "stat" };
	size_t i;

	for (i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (!strcmp(verb, readers[i]))
			return false;
	return true;
}

static bool explain_argument(const struct asked *a, enum verb_kind kind, const char *argument)
{
	struct verdict verdict;

	if (kind == KIND_FILE)
		policy_path(a->policy, a->principal, a->verb, a->user, argument, changes(a->verb),
			    &verdict);
	else if (kind == KIND_FORWARD)
		policy_target(a->policy, a->principal, a->verb, a->user, argument, &verdict);
	else
		policy_key(a->policy, a->principal, a->verb, a->user, argument, &verdict);
	return say(argument, &verdict);
}

static int explain_verb(const struct asked *a, char **argv)
{
	int verb = verb_find(a->verb), i;
	struct verdict verdict;
	bool allowed;
	unsigned int on;

	if (verb < 0) {
		fprintf(stderr, "pvguest: there is no verb '%s'; these are:", a->verb);
		for (i = 0; verb_at(i); i++)
			fprintf(stderr, " %s", verb_at(i)->name);
		fputc('\n', stderr);
		return 2;
	}
	on = verb_at(verb)->kind;
	if (*argv && on == KIND_PLAIN) {
		fprintf(stderr, "pvguest: the policy knows no arguments of %s\n", a->verb);
		return 2;
	}
	policy_verb(a->policy, a->principal, a->verb, a->user, &verdict);
	allowed = say(a->verb, &verdict);
	if (allowed && *argv && on == KIND_EXEC)
		return !explain_command(a, argv);
	for (; allowed && *argv; argv++)
		allowed = explain_argument(a, on, *argv);
	return !allowed;
}

static int explain(int argc, char **argv)
{
	struct asked a = { .principal = "", .user = "root" };
	const char *dir = POLICY_DIR;
	char error[POLICY_TEXT_MAX];
	struct policy *policy;
	int opt, status;

	/* "+": the command's options are its own. */
	while ((opt = getopt(argc, argv, "+d:p:u:")) > 0) {
		if (opt == 'd')
			dir = optarg;
		else if (opt == 'p')
			a.principal = optarg;
		else if (opt == 'u')
			a.user = optarg;
		else
			return usage(wrong_arguments);
	}
	if (optind == argc)
		return usage(wrong_arguments);
	policy = policy_load(dir, error, sizeof(error));
	if (*error)
		fprintf(stderr, "pvguest: %s\n", error);
	a.policy = policy;
	a.verb = argv[optind];
	status = explain_verb(&a, argv + optind + 1);
	policy_free(policy);
	return status;
}

/* All of a profile, into @text of POLICY_FILE_MAX bytes; its length or -errno. */
static ssize_t read_profile(const char *name, char *text)
{
	const char *dir = getenv("PVGUEST_PROFILES");
	char path[4096];
	ssize_t len;
	int fd;

	if (!*name || name[strspn(name, "abcdefghijklmnopqrstuvwxyz-")])
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s.conf", dir ? dir : PROFILE_DIR, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, POLICY_FILE_MAX);
	if (len < 0)
		len = -errno;
	close(fd);
	return len;
}

static int install_failed(const char *path)
{
	fprintf(stderr, "pvguest: %s: %s\n", path, strerror(errno));
	return 1;
}

static bool write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len; text += n, len -= n) {
		n = write(fd, text, len);
		if (n < 0)
			return false;
	}
	return !fsync(fd);
}

/* Nobody sees half of it: a name that is not *.conf, and then the right one. */
static int install(const char *name, const char *text, size_t len)
{
	const char *dir = getenv("PVGUEST_POLICY_DIR");
	char path[4096], temporary[4096];
	bool done;
	int fd;

	if (!dir) {
		dir = POLICY_DIR;
		mkdir("/etc/pvguest", 0755);
	}
	if (mkdir(dir, 0755) && errno != EEXIST)
		return install_failed(dir);
	snprintf(path, sizeof(path), "%s/%s.conf", dir, name);
	snprintf(temporary, sizeof(temporary), "%s/.%s.new", dir, name);
	if (unlink(temporary) && errno != ENOENT)
		return install_failed(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return install_failed(temporary);
	done = !fchmod(fd, 0644) && write_all(fd, text, len);
	if (close(fd))
		done = false;
	if (!done || renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE)) {
		install_failed(path);
		unlink(temporary);
		return 1;
	}
	printf("%s: installed; it counts from the daemon's next request on\n", path);
	return 0;
}

static int profile_verb(int argc, char **argv)
{
	bool installing = argc == 3 && (!strcmp(argv[2], "--install") ||
					!strcmp(argv[2], "install"));
	static char text[POLICY_FILE_MAX];
	ssize_t len;

	if (argc < 2 || argc > 3 || (argc == 3 && !installing && strcmp(argv[2], "--print")))
		return usage(wrong_arguments);
	len = read_profile(argv[1], text);
	if (len < 0) {
		fprintf(stderr, "pvguest: profile '%s': %s; there are monitor, operate and full\n",
			argv[1], strerror(-len));
		return 1;
	}
	if (installing)
		return install(argv[1], text, len);
	return fwrite(text, 1, len, stdout) != (size_t)len;
}

int policy_main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "check"))
		return check(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "explain"))
		return explain(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "profile"))
		return profile_verb(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return fputs(usage_text, stdout) < 0;
	return usage("which of check, explain and profile");
}
