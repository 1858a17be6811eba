# shellcheck shell=bash disable=SC2154 # TMP and TREE are of run-host.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The commands that README.md and Documentation name exist, with their verbs, options,
# targets and tests, as far as the programs' own --help tells. Words in capitals stand for
# something.

# help_of WORD...: the file with what the command says of its usage, asked once.
help_of()
{
	local file=$TMP/help/${*//\//_}

	if [ ! -e "$file" ]; then
		mkdir -p "$TMP/help"
		(cd "$TMP/tree" && timeout 60 "${USER_COMMAND[@]}" "$@" --help) > "$file" 2>&1 < /dev/null
	fi
	echo "$file"
}

# names FILE WORD: the text has the word, whole.
names()
{
	grep -qE -- "(^|[^a-z0-9-])${2//./\\.}([^a-z0-9-]|\$)" "$1"
}

# stands_for WORD: for something, or is none that a program could know.
stands_for()
{
	[[ $1 =~ ^[A-Z] || $1 == *[*?{}]* || -z $1 ]]
}

# options_exist HELP-FILE MORE-HELP WORD...: each option is in one of both; what comes after
# -- is not the program's.
options_exist()
{
	local file=$1 more=$2 word status=0

	shift 2
	for word; do
		[ "$word" != -- ] || break
		word=${word%%=*}
		[[ $word =~ ^--?[a-z] ]] || continue
		names "$file" "$word" || names "$more" "$word" ||
			{ echo "there is no option $word"; status=1; }
	done
	return $status
}

# verb_of WORD...: the first that is neither an option before the verb nor its value.
verb_of()
{
	while [ $# -gt 0 ]; do
		case $1 in
		-s | -t | --socket | --timeout | --lanes | --kernel) shift ;;
		-*) ;;
		*)
			echo "$1"
			return ;;
		esac
		shift
	done
}

# verbs_exist PROGRAM HELP-FILE WORDS: separated by |. The help has a verb after the program's
# name, first in an indented line, or in such a list.
verbs_exist()
{
	local verb status=0

	for verb in ${3//|/ }; do
		stands_for "$verb" || grep -qE "(^  +|${1##*/} |[ |])$verb(\\||\$)|(^  +|${1##*/} |\\|)$verb( |\$)" "$2" ||
			{ echo "there is no '$verb'"; status=1; }
	done
	return $status
}

# program_fits PROGRAM WORD...: of one that has verbs.
program_fits()
{
	local program=$1 verb general of_verb status=0

	shift
	general=$(help_of "$program")
	of_verb=$general
	verb=$(verb_of "$@")
	if [ -n "$verb" ]; then
		verbs_exist "$program" "$general" "$verb" || return
		case $program,$verb in
		*/pvhost,[a-z]*) stands_for "$verb" || of_verb=$(help_of "$program" "$verb") ;;
		*/pvguest,policy | */pvguest,kv)
			of_verb=$(help_of "$program" "$verb")
			[ -z "${2:-}" ] || verbs_exist "$verb" "$of_verb" "$2" || status=1 ;;
		*/pvguest,*)
			# One --help has the options of all verbs: those of this one are in its first lines.
			sed -n "s/^.*pvguest $verb /&/p" "$general" > "$TMP/help/usage"
			of_verb=$TMP/help/usage
			general=/dev/null ;;
		esac
	fi
	options_exist "$of_verb" "$general" "$@" && return $status
}

# make_fits WORD...: targets, options and variables.
make_fits()
{
	local word file=$TREE/Makefile status=0

	[ "${1:-}" != -C ] || { file=$TREE/$2/Makefile; shift 2; }
	for word; do
		case $word in
		-* | *=*) ;;
		*)
			stands_for "$word" || grep -qhE "^([a-z -]* )?$word( [a-z -]*)?:" "$file" "$TREE/tools/install.mk" ||
				{ echo "make has no target $word"; status=1; } ;;
		esac
	done
	return $status
}

# tests_fit WORD...: suites and their tests, as selftests/vm takes them.
tests_fit()
{
	local word skip='' status=0

	for word; do
		if [ -n "$skip" ]; then
			skip=
		elif [[ $word == --?* ]]; then
			skip=1
		elif [[ $word != -* ]] && ! stands_for "${word#*/}"; then
			[ -e "$TREE/selftests/$word" ] || { echo "there is no test $word"; status=1; }
		fi
	done
	return $status
}

# built PATH: a build makes it.
built()
{
	[[ $1 == tools/pvhost || $1 == tools/build/* || $1 == tools/generated/* ]] ||
		grep -qs "^${1##*/}:" "$TREE/${1%/*}/Makefile"
}

# script_fits PATH WORD...: it is there; and one that is run has its options.
script_fits()
{
	local path=$1 help

	shift
	if ! stands_for "${path#*/}" && [[ $path != */[A-Z]* ]] && [ ! -e "$TREE/$path" ] && ! built "$path"; then
		echo "there is no $path"
		return 1
	fi
	[ $# -gt 0 ] && [ -f "$TREE/$path" ] || return 0
	if [ ! -x "$TREE/$path" ]; then
		echo "$path cannot be run"
		return 1
	fi
	case $path in
	selftests/*/run-host.sh) return ;;
	selftests/vm | selftests/run) tests_fit "$@" || return ;;
	esac
	help=$(help_of "$path")
	case $path in
	scripts/lab | scripts/bench | scripts/check) verbs_exist "$path" "$help" "$(verb_of "$@")" || return ;;
	esac
	case $path,$1 in
	scripts/bench,balloon | scripts/bench,control) help=$(help_of "$path" "$1") ;;
	esac
	# Options of scripts/lab are selftests/vm's as well.
	options_exist "$help" "$([ "$path" = selftests/vm ] && help_of scripts/lab || echo /dev/null)" "$@"
}

# command_fits WORD...: prints what does not.
command_fits()
{
	case $1 in
	make) make_fits "${@:2}" ;;
	pvguest | tools/guest/pvguest) program_fits tools/guest/pvguest "${@:2}" ;;
	pvhost | tools/pvhost) program_fits tools/pvhost "${@:2}" ;;
	pvguestd) program_fits tools/build/pvguestd "${@:2}" ;;
	pvguest-takeover) program_fits scripts/takeover/pvguest-takeover "${@:2}" ;;
	*) script_fits "$@" ;;
	esac
}

# documentation_fails: commands that do not exist are found, each with the word that is wrong.
documentation_fails()
{
	local words command said

	while IFS='|' read -r words command; do
		# shellcheck disable=SC2016 # Markdown's
		read -r _ command <<< "$(printf '```\n%s\n```\n' "$command" | awk -f "$TREE/selftests/commands/extract.awk")"
		# shellcheck disable=SC2086 # several words
		if said=$(command_fits $command) || [[ $said != *"$words"* ]]; then
			tap_not_ok "documentation: a command that does not exist is found: $command" \
				"it says '$said', wanted '$words'"
		else
			tap_ok "documentation: a command that does not exist is found: $command"
		fi
	done << 'END'
'docter'|# pvguest docter
option --root|pvguest bind --root /mnt virtio1
option --jsn|pvguest doctor --jsn | jq .
'look'|pvguest policy look
'list'|PVHOST_SOCKET=/run/a pvhost -s /run/b list
option --foo|$ pvhost put --foo=1 site/ /srv/ -- --bar
option --foo|pvguestd --foo
'steal'|pvguest-takeover steal virtio3
'blok'|scripts/check --lanes 1 blok
option --lane|scripts/check --lane block
option --ports|scripts/bench block --ports 3
'boot'|scripts/lab boot
no test block/none.sh|selftests/vm --kernel 6.1 block/none.sh
option --cpus|selftests/vm --cpus 2 block/frames.sh
no scripts/nothing|scripts/nothing
no target installed|sudo make installed # all of it
END
}

# documentation PAGE...
documentation()
{
	local place command words said n=0

	while IFS=$'\t' read -r place command; do
		n=$((n + 1))
		read -r -a words <<< "$command"
		said=$(command_fits "${words[@]}") ||
			tap_not_ok "documentation: ${place#"$TREE"/} names a command that exists: $command" "$said"
	done < <(awk -f "$TREE/selftests/commands/extract.awk" "$@" | sort -u -t$'\t' -k2)
	if [ "$n" -gt 0 ]; then
		tap_ok "documentation: $n commands of README and Documentation were looked up"
	else
		tap_not_ok "documentation: commands are found in README and Documentation"
	fi
}
