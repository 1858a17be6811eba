// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decisions of the policy. A rule that denies wins over all that allow; what no rule names is
 * as the table of verbs has it; the files of pvguest itself are nobody's to change.
 */
#include <stdio.h>
#include <string.h>

#include "glob.h"
#include "policy_rules.h"
#include "text.h"

/**
 * struct query - what is asked
 * @policy: of whom
 * @principal: see policy_verb()
 * @user: see policy_verb(); never empty
 * @name: of the verb
 * @verb: index of the verb; -1: the policy knows none of that name
 * @list: the condition that the verb's kind has
 * @matches: does a value of it match? NULL: the verb alone is asked for
 * @path: of a file, command or target
 * @write: of a file
 * @argv: of a command
 * @target: of forwarding
 * @deep: all that is beneath @path is meant
 */
struct query {
	const struct policy *policy;
	const char *principal;
	const char *user;
	const char *name;
	int verb;
	enum list_id list;
	bool (*matches)(const struct query *q, const struct rule *rule, const struct entry *entry);
	const char *path;
	bool write;
	char *const *argv;
	const struct target *target;
	bool deep;
};

static struct text text_of(struct verdict *v)
{
	return text_begin(v->text, sizeof(v->text));
}

static void put_rule(struct text *t, const char *before, const struct rule *rule)
{
	text_put(t, before);
	text_put(t, " rule \"");
	text_put(t, rule->name);
	text_put(t, "\" (");
	text_put(t, rule->file);
	text_put(t, ":");
	text_number(t, rule->line);
	text_put(t, ")");
}

static void deny(struct verdict *v, const char *why)
{
	struct text t = text_of(v);

	v->allowed = false;
	text_put(&t, why);
}

/* One of the names, and none of those with a "!"; if all have one, none of them. */
static bool names_match(const struct entry *entry, const char *name,
			bool (*matches)(const char *pattern, const char *name))
{
	bool found = false, needed = false;

	for (; entry; entry = entry->next) {
		const char *pattern = entry->word[0];

		if (*pattern == '!') {
			if (matches(pattern + 1, name))
				return false;
		} else {
			needed = true;
			found = found || matches(pattern, name);
		}
	}
	return found || !needed;
}

/* Is the rule about this principal, user and verb? */
static bool concerns(const struct rule *rule, const struct query *q)
{
	return !rule->is_limits && q->verb >= 0 && (rule->verbs >> q->verb & 1) &&
		names_match(rule->list[LIST_PRINCIPAL], q->principal, glob_text) &&
		names_match(rule->list[LIST_USER], q->user, glob_text);
}

static bool condition_met(const struct rule *rule, const struct query *q)
{
	const struct entry *entry;

	for (entry = rule->list[q->list]; entry; entry = entry->next)
		if (q->matches(q, rule, entry))
			return true;
	return false;
}

/* Is it a rule that denies? One with a mistake in it is, if it could be. */
static const struct rule *find_deny(const struct query *q)
{
	const struct rule *rule;

	for (rule = q->policy->rules; rule; rule = rule->next) {
		if (!rule->has_deny || !concerns(rule, q))
			continue;
		if (q->list == LIST_NR || !rule->list[q->list])
			return rule;
		if (q->matches && condition_met(rule, q))
			return rule;
	}
	return NULL;
}

static const struct rule *find_allow(const struct query *q)
{
	const struct rule *rule;

	if (q->policy->closed)
		return NULL;
	for (rule = q->policy->rules; rule; rule = rule->next)
		if (rule->has_allow && concerns(rule, q) &&
		    (!q->matches || !rule->list[q->list] || condition_met(rule, q)))
			return rule;
	return NULL;
}

/* A value of the condition as the rule has it. */
static void put_entry(struct text *t, const struct entry *entry, bool mode)
{
	static const char *const modes[] = {
		[MODE_READ] = " r", [MODE_WRITE] = " w", [MODE_READ | MODE_WRITE] = " rw",
	};
	unsigned int i;

	for (i = 0; i < entry->nr; i++) {
		text_put(t, i ? " " : "");
		text_safe(t, entry->word[i]);
	}
	if (mode)
		text_put(t, modes[entry->mode]);
}

/* "; allowed: A, B" of all rules that are about the query but for the condition. */
static void put_allowed(struct text *t, const struct query *q)
{
	const char *before = "; allowed: ";
	const struct rule *rule;
	const struct entry *entry;

	for (rule = q->policy->rules; rule && q->list != LIST_NR; rule = rule->next) {
		if (!rule->has_allow || !concerns(rule, q))
			continue;
		for (entry = rule->list[q->list]; entry; entry = entry->next) {
			if (t->room < 64) {
				text_put(t, ", ...");
				return;
			}
			text_put(t, before);
			put_entry(t, entry, q->list == LIST_ROOT);
			before = ", ";
		}
	}
}

/* Why nothing allows it, and what would be allowed. */
static void put_refusal(struct text *t, const struct query *q)
{
	static const char *const objects[] = {
		[LIST_COMMAND] = " of ", [LIST_TARGET] = " to ", [LIST_KEY] = " of key ",
	};

	if (q->verb < 0) {
		text_put(t, "the policy knows no verb ");
		text_safe(t, q->name);
		return;
	}
	if (q->policy->closed) {
		text_put(t, "the policy has an error, only what is open by default is allowed: ");
		text_safe(t, q->policy->error);
		return;
	}
	text_put(t, "no rule allows ");
	text_put(t, q->name);
	if (q->matches) {
		text_put(t, q->list != LIST_ROOT ? objects[q->list] :
			 q->write ? " to change " : " to read ");
		text_safe(t, q->path);
		if (q->list == LIST_COMMAND && q->argv && q->argv[0] && q->argv[1])
			text_put(t, " with these arguments");
	}
	text_put(t, " for principal '");
	text_safe(t, q->principal);
	text_put(t, "' as user ");
	text_safe(t, q->user);
	if (q->matches)
		put_allowed(t, q);
}

static void decide(const struct query *q, struct verdict *v)
{
	const struct rule *rule = find_deny(q);
	struct text t = text_of(v);

	v->allowed = false;
	if (rule) {
		text_put(&t, q->name);
		put_rule(&t, " is denied by", rule);
		return;
	}
	rule = find_allow(q);
	v->allowed = rule || (q->verb >= 0 && verb_at(q->verb)->open);
	if (rule)
		put_rule(&t, "allowed by", rule);
	else if (v->allowed)
		text_put(&t, "open by default");
	else
		put_refusal(&t, q);
}

static enum list_id list_of(const struct verb *verb)
{
	static const enum list_id lists[] = {
		[KIND_PLAIN] = LIST_NR,
		[KIND_EXEC] = LIST_COMMAND,
		[KIND_FILE] = LIST_ROOT,
		[KIND_FORWARD] = LIST_TARGET,
		[KIND_KEY] = LIST_KEY,
	};

	return lists[verb->kind];
}

static struct query query(const struct policy *policy, const char *principal, const char *verb,
			  const char *user)
{
	struct query q = {
		.policy = policy,
		.principal = principal,
		.user = *user ? user : "root",
		.name = verb,
		.verb = verb_find(verb),
		.list = LIST_NR,
	};

	if (q.verb >= 0)
		q.list = list_of(verb_at(q.verb));
	return q;
}

void policy_verb(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, struct verdict *verdict)
{
	struct query q = query(policy, principal, verb, user);

	decide(&q, verdict);
}

/* Is there a component ".." in @text? A pattern is not a promise about where that leads. */
static bool climbs(const char *text)
{
	const char *at;

	for (at = strstr(text, ".."); at; at = strstr(at + 1, ".."))
		if ((at == text || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

static bool argument_matches(const char *pattern, const char *argument)
{
	if (!strcmp(pattern, "*") || !strcmp(pattern, argument))
		return true;
	return !climbs(argument) && glob_path(pattern, argument);
}

/* Is the program told another name than its own? To some that is an argument. */
static bool other_name(const char *path, const char *name)
{
	return strcmp(name, path) && strcmp(name, strrchr(path, '/') + 1);
}

static bool command_matches(const struct query *q, const struct rule *rule,
			    const struct entry *entry)
{
	bool open_end = entry->nr > 1 && !strcmp(entry->word[entry->nr - 1], "**");
	unsigned int named = entry->nr - open_end, i;

	if (!glob_path(entry->word[0], q->path))
		return false;
	/* Whatever name it is told, a rule that denies it does. */
	if (other_name(q->path, q->argv[0]) && !rule->has_deny && !(open_end && named == 1))
		return false;
	for (i = 1; i < named; i++)
		if (!q->argv[i] || !argument_matches(entry->word[i], q->argv[i]))
			return false;
	return open_end || !q->argv[i];
}

void policy_command(const struct policy *policy, const char *principal, const char *user,
		    const char *path, char *const *argv, struct verdict *verdict)
{
	struct query q = query(policy, principal, "exec", user);

	q.path = path;
	q.argv = argv;
	q.matches = command_matches;
	if (!path_is_normal(path))
		deny(verdict, "exec: the path is not absolute and normal");
	else if (!argv[0])
		deny(verdict, "exec: there is no argument 0");
	else
		decide(&q, verdict);
}

/* What the host must not reach by any file verb; README of the directories' permissions. */
static const char *const protected[] = {
	"/etc/pvguest",
	"/run/pvguest",
	"/var/run/pvguest",
	"/var/lib/pvguest",
};

static bool is_protected(const struct query *q)
{
	bool tree = q->write && (!strcmp(q->name, "mv") || !strcmp(q->name, "rm") ||
				 !strcmp(q->name, "setattr"));
	size_t i;

	for (i = 0; i < sizeof(protected) / sizeof(*protected); i++)
		if (path_beneath(protected[i], q->path) ||
		    (tree && path_beneath(q->path, protected[i])))
			return true;
	return false;
}

static bool root_matches(const struct query *q, const struct rule *rule,
			 const struct entry *entry)
{
	if (!(entry->mode & (q->write ? MODE_WRITE : MODE_READ)))
		return false;
	if (glob_beneath(entry->word[0], q->path))
		return true;
	/* To move or remove a directory takes what is denied beneath it along. */
	return rule->has_deny && q->write &&
		(q->deep || !strcmp(q->name, "mv") || !strcmp(q->name, "rm")) &&
		glob_above(entry->word[0], q->path, q->deep);
}

static void decide_path(const struct policy *policy, const char *principal, const char *verb,
			const char *user, const char *path, bool write, bool deep,
			struct verdict *verdict)
{
	struct query q = query(policy, principal, verb, user);
	struct text t;

	q.path = path;
	q.write = write;
	q.deep = deep;
	q.matches = root_matches;
	if (q.verb >= 0 && q.list != LIST_ROOT) {
		deny(verdict, "the verb does not use files");
	} else if (!path_is_normal(path)) {
		deny(verdict, "the path is not absolute and normal");
	} else if (is_protected(&q)) {
		verdict->allowed = false;
		t = text_of(verdict);
		text_put(&t, verb);
		text_put(&t, ": ");
		text_safe(&t, path);
		text_put(&t, " has pvguest's own files, which no rule opens");
	} else {
		decide(&q, verdict);
	}
}

void policy_path(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, const char *path, bool write, struct verdict *verdict)
{
	decide_path(policy, principal, verb, user, path, write, false, verdict);
}

void policy_tree(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, const char *path, struct verdict *verdict)
{
	decide_path(policy, principal, verb, user, path, true, true, verdict);
}

/* The directory that a pattern is beneath, into @dir of @size bytes. */
static void directory_of(const char *pattern, char *dir, size_t size)
{
	size_t len = strcspn(pattern, "*?[");

	if (pattern[len])
		while (len > 1 && pattern[len - 1] != '/')
			len--;
	if (len > 1 && pattern[len - 1] == '/')
		len--;
	snprintf(dir, size, "%.*s", (int)len, pattern);
}

int policy_roots(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, int (*root)(const char *path, bool write, void *priv),
		 void *priv)
{
	struct query q = query(policy, principal, verb, user);
	char dir[POLICY_LINE_MAX + 1];
	const struct rule *rule;
	const struct entry *entry;
	int ret;

	if (policy->closed || q.list != LIST_ROOT)
		return 0;
	for (rule = policy->rules; rule; rule = rule->next) {
		if (!rule->has_allow || !concerns(rule, &q))
			continue;
		for (entry = rule->list[LIST_ROOT]; entry; entry = entry->next) {
			directory_of(entry->word[0], dir, sizeof(dir));
			ret = root(dir, entry->mode & MODE_WRITE, priv);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static bool entry_target_matches(const struct query *q, const struct rule *rule,
				 const struct entry *entry)
{
	struct target pattern;

	if (target_parse(entry->word[0], true, &pattern))
		return false;
	/* To listen at all addresses is to listen at each that is denied. */
	return target_matches(&pattern, q->target) ||
		(rule->has_deny && !strcmp(q->name, "listen") &&
		 target_includes(q->target, &pattern));
}

void policy_target(const struct policy *policy, const char *principal, const char *verb,
		   const char *user, const char *name, struct verdict *verdict)
{
	struct query q = query(policy, principal, verb, user);
	struct target target;
	const char *bad = target_parse(name, false, &target);

	q.path = name;
	q.target = &target;
	q.matches = entry_target_matches;
	if (q.verb >= 0 && q.list != LIST_TARGET) {
		deny(verdict, "the verb has no target");
		return;
	}
	if (bad) {
		deny(verdict, bad);
		return;
	}
	if (strcmp(verb, "listen"))
		target_connect(&target);
	decide(&q, verdict);
}

/* The first stands for all of them, because of those with a "!". */
static bool keys_match(const struct query *q, const struct rule *rule,
		       const struct entry *entry)
{
	return entry == rule->list[LIST_KEY] && names_match(entry, q->path, glob_path);
}

void policy_key(const struct policy *policy, const char *principal, const char *verb,
		const char *user, const char *key, struct verdict *verdict)
{
	struct query q = query(policy, principal, verb, user);

	q.path = key;
	q.matches = keys_match;
	if (q.verb >= 0 && q.list != LIST_KEY)
		deny(verdict, "the verb has no key");
	else
		decide(&q, verdict);
}

unsigned long policy_limit(const struct policy *policy, const char *principal, const char *what)
{
	unsigned long lowest = POLICY_UNLIMITED;
	const struct rule *rule;
	enum limit i;

	for (i = 0; i < LIMIT_NR && strcmp(limit_names[i], what); i++)
		;
	for (rule = policy->rules; rule && i < LIMIT_NR; rule = rule->next) {
		if (!rule->is_limits || rule->limit[i] >= lowest)
			continue;
		if (names_match(rule->list[LIST_PRINCIPAL], principal, glob_text))
			lowest = rule->limit[i];
	}
	return lowest;
}
