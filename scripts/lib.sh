# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Shared by the scripts here: errors, versions, and steps that say how long they take.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# A user's path may lack the folders of chroot and newuidmap's friends.
PATH=$PATH:/usr/sbin:/sbin
# Inside the root build/ is mounted at a fixed place, so that no path of the host enters a binary.
if [ -n "${CB_IN_ROOT:-}" ]; then BUILD=/build; else BUILD=$TOP/build; fi

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# version NAME: a value of bases.toml, once make has brought them into that shape
version() {
	sed -n "s/^$1 = //p" "$BUILD/variables.mk"
}

# base_value BASE KEY: the same, KEY of the table of a base
base_value() {
	version "$(tr a-z A-Z <<<"$1" | tr -c 'A-Z0-9\n' _)_$2"
}

# toml TABLE KEY: what bases.toml says, also where make has not been yet
toml() {
	sed -n "/^\[\"\?$1\"\?\]$/,/^\[/s/^$2 = \"\(.*\)\"$/\1/p" "$TOP/bases.toml"
}

# bases: the names of those that have a series
bases() {
	sed -n 's/^\[\(.*\)\.series\]$/\1/p' "$TOP/bases.toml" | tr -d '"'
}

# trees: the names of those of which one boots this version or that
trees() {
	sed -n 's/^\["\?\(\(optee\|linux\|libteec\)\(-[0-9.]*\)\?\)"\?\]$/\1/p' "$TOP/bases.toml"
}

# cores, kernels: the names of all that can be booted
cores() {
	echo stock bound "$(sed -n 's/^CORES = //p' "$TOP/mk/configs.mk")"
}
kernels() {
	echo "$(bases | sed -n 's/^linux/debian/p' | paste -sd' ')" "$(sed -n 's/^KERNELS = //p' "$TOP/mk/kernel.mk")"
}
# only_arm64: the names of those that AArch32 has not
only_arm64() {
	echo "$(sed -n 's/^ONLY_ARM64 = //p' "$TOP/mk/configs.mk") $(sed -n 's/^KERNELS = //p' "$TOP/mk/kernel.mk")"
}

# tree_version KIND DIR: which OP-TEE or Linux a tree is, as MAJOR.MINOR; nothing if it is none
tree_version() {
	case $1 in
	optee) sed -n 's/^CFG_OPTEE_REVISION_M\(AJ\|IN\)OR *?= *\([0-9]*\)$/\2/p' "$2/mk/config.mk" ;;
	linux) sed -n '1,5s/^\(VERSION\|PATCHLEVEL\) = \([0-9]*\)$/\2/p' "$2/Makefile" ;;
	esac 2>/dev/null | paste -sd.
}

# nearest KIND DIR: the base whose series a tree gets: that of the nearest version, of two the older one. After twenty or so minor
# versions both projects begin a new major one.
nearest() {
	local has base
	has=$(tree_version "$1" "$2")
	[[ $has =~ ^[0-9]+\.[0-9]+$ ]] || die "$2 is no tree of ${1/optee/OP-TEE OS}: nothing there says which version it is"
	for base in $(bases | grep "^$1\(-\|\$\)"); do
		echo "$base $(toml "$base" version) $has"
	done | awk '{split($2, v, "."); split($3, h, "."); d = (v[1] - h[1]) * 20 + v[2] - h[2]; print d < 0 ? -2 * d : 2 * d + 1, $1}' |
		sort -n | sed -n '1s/.* //p'
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

# tell MESSAGE: to whom a step shows its outcome, not only into its log
tell() {
	{ ! [ -t 3 ] || tput el1 >&3; printf '\r%s\n' "$*" >&3; } 2>/dev/null || :
	printf '%s\n' "$*"
}

# logged NAME CMD...: run CMD with its output in build/log/NAME.log, under a spinner when there is a terminal.
logged() {
	local name=$1 log=$BUILD/log/$1.log spinner='' status=0
	shift
	mkdir -p "$BUILD/log"
	: >"$log"
	if [ -t 2 ]; then
		spin "$name" "$log" "$SECONDS" &
		spinner=$!
		# shellcheck disable=SC2064 # the pid of now
		trap "kill $spinner 2>/dev/null" EXIT
	fi
	"$@" 3>&2 >"$log" 2>&1 </dev/null || status=$?
	if [ -n "$spinner" ]; then
		kill "$spinner" 2>/dev/null || :
		wait "$spinner" 2>/dev/null || :
		trap - EXIT
		printf '\r\033[K' >&2
	fi
	return "$status"
}

# patiently NAME COMMAND...: an archive that is in the middle of an update is waited for: what its lists name is gone already, or not
# there yet. Whatever else fails, fails at once.
UPDATING='Hash Sum mismatch|File has unexpected size|Mirror sync in progress|404 +Not Found|was not found|Unable to correct problems'
patiently() {
	local name=$1 left said status
	shift
	said=$(mktemp)
	for left in 4 3 2 1 0; do
		"$@" 2>&1 | tee "$said"
		status=${PIPESTATUS[0]}
		if [ "$status" = 0 ] || [ "$left" = 0 ] || ! grep -qE "$UPDATING" "$said"; then break; fi
		tell "$name: the package archive seems to be in the middle of an update; trying again in a minute, up to $left times"
		sleep 60
	done
	rm -f "$said"
	return "$status"
}

# log_end NAME: what people want to see of a log after a failure
log_end() {
	tail -n 20 "$BUILD/log/$1.log" | sed 's/^/    /'
}

# step NAME CMD...: logged, with a line that tells the outcome.
step() {
	local start=$SECONDS status=0
	[ -t 2 ] || printf '%s ...\n' "$1" >&2
	logged "$@" || status=$?
	if [ "$status" = 0 ]; then
		printf '%s done (%d s)\n' "$1" $((SECONDS - start)) >&2
	else
		printf '%s FAILED (%d s), status %d. Last lines of build/log/%s.log:\n' "$1" $((SECONDS - start)) "$status" "$1" >&2
		log_end "$1" >&2
	fi
	return "$status"
}
