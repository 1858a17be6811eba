// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of a policy's file into rules. libinih takes lines apart; it is given them one by
 * one, after a look at what it would pass over in silence: lines that are too long, comments
 * behind a value, sections without a key, text before the first section.
 */
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "policy_rules.h"

/**
 * struct parser - a file being read
 * @policy: where rules go
 * @name: of the file
 * @at: the rest of its text
 * @end: of its text
 * @line: number of the line that libinih has
 * @rule: the section that it is in; NULL: none, or one that has an error in its head
 * @in_section: there was a head
 * @report: see policy_parse()
 * @priv: see policy_parse()
 */
struct parser {
	struct policy *policy;
	const char *name;
	const char *at;
	const char *end;
	unsigned int line;
	struct rule *rule;
	bool in_section;
	void (*report)(void *priv, const char *text);
	void *priv;
};

static void __attribute__((format(printf, 3, 4)))
wrong(struct parser *p, unsigned int line, const char *format, ...)
{
	char what[POLICY_TEXT_MAX / 2], text[POLICY_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s:%u: %s", p->name, line, what);
	p->policy->closed = true;
	p->report(p->priv, text);
}

/*
 * Words of @text, which is written to, separated by any of @separators; a word in quotes may
 * have them in it. How many, at most POLICY_WORDS_MAX; -1 after an error.
 */
static int split(struct parser *p, char *text, const char *separators, char **words)
{
	int nr = 0;
	char *end;

	for (;;) {
		text += strspn(text, separators);
		if (!*text)
			return nr;
		if (nr == POLICY_WORDS_MAX) {
			wrong(p, p->line, "more than %d words", POLICY_WORDS_MAX);
			return -1;
		}
		if (*text == '"') {
			end = strchr(++text, '"');
			if (!end || (end[1] && !strchr(separators, end[1]))) {
				wrong(p, p->line, "a quote does not end at the end of its word");
				return -1;
			}
		} else {
			end = text + strcspn(text, separators);
			if (memchr(text, '"', end - text)) {
				wrong(p, p->line, "a quote is in the middle of a word");
				return -1;
			}
		}
		words[nr++] = text;
		if (!*end)
			return nr;
		*end = '\0';
		text = end + 1;
	}
}

static void add_entry(struct parser *p, enum list_id list, char **words, unsigned int nr,
		      unsigned int mode)
{
	struct entry **last = &p->rule->list[list], *entry;
	size_t size = sizeof(*entry) + nr * sizeof(char *);
	unsigned int i, count = 0;
	char *text;

	for (; *last; last = &(*last)->next)
		count++;
	if (count == POLICY_ENTRIES_MAX) {
		wrong(p, p->line, "more than %d values of this key", POLICY_ENTRIES_MAX);
		return;
	}
	for (i = 0; i < nr; i++)
		size += strlen(words[i]) + 1;
	entry = malloc(size);
	if (!entry) {
		wrong(p, p->line, "out of memory");
		return;
	}
	entry->next = NULL;
	entry->mode = mode;
	entry->nr = nr;
	text = (char *)&entry->word[nr];
	for (i = 0; i < nr; i++) {
		entry->word[i] = text;
		text = stpcpy(text, words[i]) + 1;
	}
	*last = entry;
}

static void set_verbs(struct parser *p, bool deny, char **words, int nr)
{
	uint64_t bits;
	int i;

	if (deny)
		p->rule->has_deny = true;
	else
		p->rule->has_allow = true;
	for (i = 0; i < nr; i++) {
		bits = verb_bits(words[i]);
		if (!bits)
			wrong(p, p->line, "there is no verb '%s'", words[i]);
		p->rule->verbs |= bits;
	}
}

static void set_names(struct parser *p, enum list_id list, char **words, int nr)
{
	const char *bad;
	int i;

	for (i = 0; i < nr; i++) {
		bad = glob_check(words[i] + (*words[i] == '!'));
		if (!bad && list == LIST_USER && !words[i][words[i][0] == '!'])
			bad = "a user has a name";
		if (bad)
			wrong(p, p->line, "'%s': %s", words[i], bad);
		else
			add_entry(p, list, &words[i], 1, 0);
	}
}

static void set_command(struct parser *p, char **words, int nr)
{
	const char *bad = NULL;
	int i;

	if (!path_is_normal(words[0]))
		bad = "the command's path is not absolute and normal";
	for (i = 0; i < nr && !bad; i++) {
		bad = glob_check(words[i]);
		if (i && i < nr - 1 && !strcmp(words[i], "**"))
			bad = "'**', any arguments, comes last";
	}
	if (bad)
		wrong(p, p->line, "%s", bad);
	else
		add_entry(p, LIST_COMMAND, words, nr, 0);
}

static void set_root(struct parser *p, char **words, int nr)
{
	const char *bad = NULL;
	unsigned int mode = 0;

	if (nr == 2 && strchr(words[1], 'r'))
		mode |= MODE_READ;
	if (nr == 2 && strchr(words[1], 'w'))
		mode |= MODE_WRITE;
	if (nr != 2 || !mode || words[1][strspn(words[1], "rw")] || strlen(words[1]) > 2)
		bad = "a root is a path and one of r, w, rw; a path with blanks needs quotes";
	else if (!path_is_normal(words[0]))
		bad = "the path is not absolute and normal";
	else
		bad = glob_check(words[0]);
	if (bad)
		wrong(p, p->line, "%s", bad);
	else
		add_entry(p, LIST_ROOT, words, 1, mode);
}

static void set_targets(struct parser *p, char **words, int nr)
{
	struct target target;
	const char *bad;
	int i;

	for (i = 0; i < nr; i++) {
		bad = target_parse(words[i], true, &target);
		if (bad)
			wrong(p, p->line, "'%s': %s", words[i], bad);
		else
			add_entry(p, LIST_TARGET, &words[i], 1, 0);
	}
}

static void set_rule_key(struct parser *p, const char *key, char **words, int nr)
{
	if (!strcmp(key, "allow"))
		set_verbs(p, false, words, nr);
	else if (!strcmp(key, "deny"))
		set_verbs(p, true, words, nr);
	else if (!strcmp(key, "user"))
		set_names(p, LIST_USER, words, nr);
	else if (!strcmp(key, "command"))
		set_command(p, words, nr);
	else if (!strcmp(key, "root"))
		set_root(p, words, nr);
	else if (!strcmp(key, "target"))
		set_targets(p, words, nr);
	else if (!strcmp(key, "key"))
		set_names(p, LIST_KEY, words, nr);
	else
		wrong(p, p->line, "a rule has no key '%s'", key);
}

/* What follows a number of @limit multiplies it; 0: that cannot follow. */
static unsigned long unit(enum limit limit, const char *text)
{
	static const struct {
		enum limit limit;
		const char *text;
		unsigned long value;
	} units[] = {
		{ LIMIT_JOBS, "", 1 }, { LIMIT_PROCESSES, "", 1 }, { LIMIT_BYTES, "", 1 },
		{ LIMIT_BYTES, "K", 1ul << 10 }, { LIMIT_BYTES, "M", 1ul << 20 },
		{ LIMIT_BYTES, "G", 1ul << 30 }, { LIMIT_RATE, "/s", 60 },
		{ LIMIT_RATE, "/min", 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].limit == limit && !strcmp(units[i].text, text))
			return units[i].value;
	return 0;
}

static void set_limit(struct parser *p, const char *key, const char *text)
{
	unsigned long value = 0, times;
	const char *at = text;
	enum limit i;

	for (i = 0; i < LIMIT_NR && strcmp(limit_names[i], key); i++)
		;
	if (i == LIMIT_NR) {
		wrong(p, p->line, "there is no limit '%s'", key);
		return;
	}
	/* 15 digits and a unit are more than enough, and do not overflow. */
	for (; *at >= '0' && *at <= '9' && at - text < 15; at++)
		value = value * 10 + *at - '0';
	times = unit(i, at);
	if (at == text || !times || value > (POLICY_UNLIMITED - 1) / times)
		wrong(p, p->line, i == LIMIT_RATE ? "'%s' is not a rate such as 10/s or 600/min" :
		      i == LIMIT_BYTES ? "'%s' is not a size such as 4096, 64K, 100M or 2G" :
		      "'%s' is not a number", text);
	else if (p->rule->limit[i] != POLICY_UNLIMITED)
		wrong(p, p->line, "there is a limit of %s already", key);
	else
		p->rule->limit[i] = value * times;
}

/* libinih's handler. It always succeeds, since errors are told by wrong(). */
static int key_value(void *user, const char *section, const char *key, const char *value)
{
	char text[POLICY_LINE_MAX + 1], *words[POLICY_WORDS_MAX];
	bool blanks = !strcmp(key, "command") || !strcmp(key, "root");
	struct parser *p = user;
	int nr;

	(void)section;
	if (!p->rule)
		return 1;
	snprintf(text, sizeof(text), "%s", value);
	nr = split(p, text, blanks ? " \t" : " \t,", words);
	if (nr < 0)
		return 1;
	if (!nr)
		wrong(p, p->line, "'%s' has no value", key);
	else if (!strcmp(key, "principal"))
		set_names(p, LIST_PRINCIPAL, words, nr);
	else if (!p->rule->is_limits)
		set_rule_key(p, key, words, nr);
	else if (nr > 1)
		wrong(p, p->line, "a limit has one value");
	else
		set_limit(p, key, words[0]);
	return 1;
}

/* A verb of @rule that is of @kind, or of another one if @other. */
static const struct verb *verb_of(const struct rule *rule, enum verb_kind kind, bool other)
{
	const struct verb *verb;
	unsigned int i;

	for (i = 0; (verb = verb_at(i)); i++)
		if (rule->verbs >> i & 1 && (other ? verb->kind != kind : verb->kind == kind))
			return verb;
	return NULL;
}

static bool has_unix_target(const struct rule *rule)
{
	const struct entry *entry;

	for (entry = rule->list[LIST_TARGET]; entry; entry = entry->next)
		if (!strncmp(entry->word[0], "unix:", 5))
			return true;
	return false;
}

static void check_user(struct parser *p, const struct rule *rule)
{
	const struct verb *verb;
	unsigned int i;

	if (rule->list[LIST_USER])
		return;
	for (i = 0; (verb = verb_at(i)); i++)
		if ((rule->verbs >> i & 1) && verb->as_user)
			break;
	if (verb)
		wrong(p, rule->line, "the rule allows %s and has no user (user = * is any)",
		      verb->name);
	else if (has_unix_target(rule))
		wrong(p, rule->line, "the rule has a target unix: and no user (user = * is any)");
}

static const struct {
	enum verb_kind kind;
	enum list_id list;
	const char *key;
	const char *any;	/* NULL: need not be there */
} conditions[] = {
	{ KIND_EXEC, LIST_COMMAND, "command", "command = /** ** is any" },
	{ KIND_FILE, LIST_ROOT, "root", "root = / rw is any" },
	{ KIND_FORWARD, LIST_TARGET, "target", "target = tcp:*:* is any of TCP" },
	{ KIND_KEY, LIST_KEY, "key", NULL },
};

/* What a rule allows has to be said; what it denies must not be more than it seems. */
static void check_conditions(struct parser *p, const struct rule *rule)
{
	const struct verb *verb;
	size_t i;

	for (i = 0; i < sizeof(conditions) / sizeof(*conditions); i++) {
		const char *key = conditions[i].key;

		verb = verb_of(rule, conditions[i].kind, false);
		if (!rule->list[conditions[i].list]) {
			if (verb && !rule->has_deny && conditions[i].any)
				wrong(p, rule->line, "the rule allows %s and has no %s (%s)",
				      verb->name, key, conditions[i].any);
			continue;
		}
		if (!verb) {
			wrong(p, rule->line, "the rule has a %s and no verb that uses one", key);
			continue;
		}
		verb = verb_of(rule, conditions[i].kind, true);
		if (verb && rule->has_deny)
			wrong(p, rule->line, "the rule denies %s, which uses no %s: %s",
			      verb->name, key, "write a rule of its own");
	}
}

/* The section is complete. */
static void end_section(struct parser *p)
{
	const struct rule *rule = p->rule;
	enum limit i;

	p->rule = NULL;
	if (!rule)
		return;
	if (rule->is_limits) {
		for (i = 0; i < LIMIT_NR; i++)
			if (rule->limit[i] != POLICY_UNLIMITED)
				return;
		wrong(p, rule->line, "the section sets no limit");
		return;
	}
	if (rule->has_allow == rule->has_deny) {
		wrong(p, rule->line, rule->has_allow ? "a rule has either allow or deny, not both" :
		      "the rule has neither allow nor deny");
		return;
	}
	check_conditions(p, rule);
	if (rule->has_allow)
		check_user(p, rule);
}

/* The name of a head that is [@kind "NAME"]; NULL: it is not. */
static const char *head_name(char *head, const char *kind)
{
	size_t len = strlen(kind);
	char *name, *end;

	if (strncmp(head + 1, kind, len))
		return NULL;
	name = head + 1 + len;
	if (*name != ' ' && *name != '\t')
		return NULL;
	name += strspn(name, " \t");
	if (*name != '"')
		return NULL;
	end = strchr(++name, '"');
	if (!end || strcmp(end, "\"]") || end == name || end - name > POLICY_NAME_MAX)
		return NULL;
	*end = '\0';
	return name[strspn(name, POLICY_NAME_BYTES " ")] ? NULL : name;
}

static void begin_section(struct parser *p, const char *line)
{
	char head[POLICY_LINE_MAX + 1];
	struct rule *rule, *other;
	const char *name;
	bool is_limits;
	enum limit i;

	end_section(p);
	p->in_section = true;
	snprintf(head, sizeof(head), "%s", line);
	name = head_name(head, "rule");
	is_limits = !name;
	if (!name)
		name = head_name(head, "limits");
	if (!name) {
		wrong(p, p->line, "not [rule \"NAME\"] or [limits \"NAME\"], %s %d",
		      "the name of letters, digits, ' ._-', up to", POLICY_NAME_MAX);
		return;
	}
	for (other = p->policy->rules; other; other = other->next)
		if (other->is_limits == is_limits && !strcmp(other->name, name) &&
		    !strcmp(other->file, p->name))
			wrong(p, p->line, "the name '%s' is that of line %u, too", name,
			      other->line);
	if (p->policy->nr_rules == POLICY_RULES_MAX) {
		wrong(p, p->line, "more than %d sections in all files", POLICY_RULES_MAX);
		return;
	}
	rule = calloc(1, sizeof(*rule));
	if (!rule) {
		wrong(p, p->line, "out of memory");
		return;
	}
	snprintf(rule->name, sizeof(rule->name), "%s", name);
	snprintf(rule->file, sizeof(rule->file), "%s", p->name);
	rule->line = p->line;
	rule->is_limits = is_limits;
	for (i = 0; i < LIMIT_NR; i++)
		rule->limit[i] = POLICY_UNLIMITED;
	*p->policy->last = rule;
	p->policy->last = &rule->next;
	p->policy->nr_rules++;
	p->rule = rule;
}

/* libinih ends a value at " ;"; and people expect that of " #". */
static bool has_comment(const char *line)
{
	bool quoted = false;

	for (; *line; line++) {
		if (*line == '"')
			quoted = !quoted;
		if ((*line == ' ' || *line == '\t') &&
		    (line[1] == ';' || (line[1] == '#' && !quoted)))
			return true;
	}
	return false;
}

/* @line without blanks at its ends. Is it one that libinih should have? */
static bool accept_line(struct parser *p, const char *line)
{
	const char *separator;

	if (!*line || *line == '#' || *line == ';')
		return false;
	if (*line == '[') {
		begin_section(p, line);
		return p->rule;
	}
	separator = strpbrk(line, "=:");
	if (!p->in_section)
		wrong(p, p->line, "this is before the first section");
	else if (!separator || *separator != '=' || separator == line)
		wrong(p, p->line, "neither KEY = VALUE nor a section nor a comment");
	else if (has_comment(line))
		wrong(p, p->line, "a comment is a line of its own");
	else
		return true;
	return false;
}

static bool is_text(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return true;
}

/* libinih's reader: one line into @buf of @size bytes, the empty one for what it need not see. */
static char *next_line(char *buf, int size, void *stream)
{
	struct parser *p = stream;
	const char *line = p->at, *end;
	size_t len;

	if (p->at == p->end)
		return NULL;
	end = memchr(line, '\n', p->end - line);
	p->at = end ? end + 1 : p->end;
	if (!end)
		end = p->end;
	p->line++;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	len = end - line;
	*buf = '\0';
	if (len > POLICY_LINE_MAX || (int)len > size - 3) {
		wrong(p, p->line, "the line is longer than %d bytes", POLICY_LINE_MAX);
	} else if (!is_text(line, len)) {
		wrong(p, p->line, "there is a control character in the line");
	} else {
		memcpy(buf, line, len);
		buf[len] = '\0';
		if (!accept_line(p, buf))
			*buf = '\0';
	}
	return buf;
}

void policy_parse(struct policy *policy, const char *name, const char *text, size_t len,
		  void (*report)(void *priv, const char *text), void *priv)
{
	struct parser p = {
		.policy = policy,
		.name = name,
		.at = text,
		.end = text + len,
		.report = report,
		.priv = priv,
	};
	int line = ini_parse_stream(next_line, &p, key_value, &p);

	if (line)
		wrong(&p, line > 0 ? (unsigned int)line : p.line, "this is no INI text");
	end_section(&p);
}
