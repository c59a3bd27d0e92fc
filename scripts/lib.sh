# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Shared by the scripts here: errors, versions, and steps that say how long they take.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Inside the root build/ is mounted at a fixed place, so that no path of the host enters a binary.
if [ -n "${CB_IN_ROOT:-}" ]; then BUILD=/build; else BUILD=$TOP/build; fi

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# version NAME: a value of mk/versions.mk
version() {
	sed -n "s/^$1 *= *//p" "$TOP/mk/versions.mk"
}

# spin NAME LOG START: a line that is redrawn until killed: name, seconds, last line of the log
spin() {
	local wheel='.oOo' n=0 tail width
	while :; do
		width=$(tput cols 2>/dev/null || echo 80)
		tail=$(tail -n 1 "$2" 2>/dev/null | tr -cd '[:print:]')
		tail=" ${wheel:n++%4:1} $1 $((SECONDS - $3)) s  $tail"
		printf '\r\033[K%s' "${tail:0:width-1}" >&2
		sleep 0.25
	done
}

# step NAME CMD...: run CMD with its output in build/log/NAME.log. Quiet success; on failure the end of the log.
step() {
	local name=$1 log=$BUILD/log/$1.log start=$SECONDS spinner='' status=0
	shift
	mkdir -p "$BUILD/log"
	: >"$log"
	if [ -t 2 ]; then
		spin "$name" "$log" "$start" &
		spinner=$!
		# shellcheck disable=SC2064 # the pid of now
		trap "kill $spinner 2>/dev/null" EXIT
	else
		printf '%s ...\n' "$name" >&2
	fi
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ -n "$spinner" ]; then
		kill "$spinner" 2>/dev/null || :
		wait "$spinner" 2>/dev/null || :
		trap - EXIT
		printf '\r\033[K' >&2
	fi
	if [ "$status" = 0 ]; then
		printf '%s done (%d s)\n' "$name" $((SECONDS - start)) >&2
		return 0
	fi
	printf '%s FAILED (%d s), status %d. Last lines of build/log/%s.log:\n' \
		"$name" $((SECONDS - start)) "$status" "$name" >&2
	tail -n 20 "$log" | sed 's/^/    /' >&2
	return "$status"
}
