#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Build what is missing, boot TF-A + OP-TEE + Linux in QEMU, run something in it, power off.
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<'EOT'
usage: scripts/qemu-run.sh [OPTION...] [-- CMD ARG...]

Builds what is missing, boots the system in QEMU and runs CMD in it as root: CMD's output is this script's, its exit
status too. Without CMD: the demonstration, once on the stock system and once on ours; the exit status is 0 only if every
row came out as expected.

  --arch arm64|arm    for which processor all of it is built: AArch64 (the default) or AArch32
  --user arm          TAs and the guest's programs for AArch32, on OP-TEE and Linux for AArch64
  --stock             boot the unpatched OP-TEE and the unpatched Linux driver, everything else equal
  --core stock|bound  choose only the OP-TEE, or
  --driver stock|bound  only the Linux driver
  --core NAME         OP-TEE as bound, with other options: debug, lockdep, pager, bti, kasan, all (binds every TA: what
                      CFG_CLIENT_BINDING_ALL does) or ffa (called through FF-A, not by SMC)
  --base TREE=VERSION[,...]  another base of that tree: linux=7.3 (like --kernel debian-7.3), libteec=4.11. optee=4.10.0,
                      linux=6.12 and libteec=4.5 are what boots without this option
  --kernel NAME       debian (the default); debian-7.3; or one built from the source of the first: small, which boots sooner
                      and knows FF-A (the default with --core ffa), or debug, the same with KASAN, lockdep and more that
                      looks for faults
  --shell             an interactive console in the guest (leave it with exit)
  --overlay DIR       copy DIR over the guest's root: your own CA in usr/bin, your own TA in usr/lib/optee_armtz
  --smp N             processors, 1 to 4 (default 2)
  --icount            one processor and a clock that counts instructions: repeatable instead of fast
  --gdb               wait for a debugger; prints the symbol files of both worlds
  --secure-log FILE   copy the secure world's console to FILE
  --timeout S         give up after S seconds of one boot, say where the guest was, exit 124 (default 600; none with --gdb
                      or --shell)
  --optee-os DIR      build your own OP-TEE OS tree in place of Debian's (also: OPTEE_OS_SRC=DIR), with the series of the base
                      of bases.toml that is nearest to it
  --tfa DIR           the same for TF-A (TFA_SRC=DIR)
  --linux DIR         the same for Linux: its drivers/tee, as modules for Debian's kernel that is nearest to it (LINUX_SRC=DIR)
                      DIR is copied, never changed; our series is applied to the copy unless it is already there.
  --help              this text

Environment: MIRROR=URL (Debian mirror), DISTFILES=DIR (where source files may already be).
The guest reads nothing from stdin. Logs: build/log (build), build/run/last (both worlds' consoles of the last run), for
the demonstration build/run/demo-stock and demo-bound.
Exit status: that of CMD or of the demonstration; 124 time-out; 125 the system itself failed: it did not build or boot, or
there was a panic in the secure world or an oops in Linux.
EOT
}

bad() {
	printf 'qemu-run.sh: %s (see --help)\n' "$*" >&2
	exit 2
}
folder() {
	[ -d "$2" ] || bad "$1: no folder $2"
	(cd "$2" && pwd)
}
number() { # number OPTION VALUE MIN MAX
	if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		bad "$1: a number from $3 to $4, not '$2'"
	fi
}
variant() {
	[ "$2" = stock ] || [ "$2" = bound ] || bad "$1: stock or bound, not '$2'"
}
known() { # known OPTION VALUE LIST
	[[ " $3 " = *" $2 "* ]] || bad "$1: one of ${3// /, }; not '$2'"
}

based() { # based TREE=VERSION
	local base all=''
	for base in $(trees); do all+=" ${base%%-*}=$(toml "$base" version)"; done
	[[ "$all " = *" $1 "* ]] || bad "--base: of$all; not '$1'"
	case $1 in
	"linux=$(toml linux version)") kernel=debian ;;
	linux=*) kernel=debian-${1#*=} ;;
	"libteec=$(toml libteec version)") libteec='' ;;
	libteec=*) libteec=${1#*=} ;;
	esac
}

options=() arch=arm64 user='' core=bound driver=bound kernel='' libteec='' only='' command='' shell='' gdb='' timeout='' secure_log=''
while [ $# -gt 0 ]; do
	case $1 in
	--arch | --user | --base | --core | --driver | --kernel | --overlay | --smp | --secure-log | --timeout | --optee-os | --tfa | --linux)
		[ $# -ge 2 ] || bad "$1 needs a value"
		;;
	esac
	case $1 in
	--arch) known "$1" "$2" 'arm64 arm'; arch=$2; shift ;;
	--user) known "$1" "$2" 'arm64 arm'; user=$2; shift ;;
	--stock) core=stock driver=stock only=1 ;;
	--core) known "$1" "$2" "$(cores)"; core=$2 only=1; shift ;;
	--driver) variant "$1" "$2"; driver=$2 only=1; shift ;;
	--kernel) known "$1" "$2" "$(kernels)"; kernel=$2; shift ;;
	--base) IFS=, read -ra bases <<<"$2"; for base in "${bases[@]:-}"; do based "$base"; done; shift ;;
	--shell) options+=(--shell) shell=1 ;;
	--overlay) OVERLAY=$(folder "$1" "$2"); options+=(--overlay /ext/overlay); shift ;;
	--smp) number "$1" "$2" 1 4; options+=("$1" "$2"); shift ;;
	--icount) options+=(--icount) ;;
	--gdb) options+=(--gdb) gdb=1 ;;
	--secure-log) secure_log=$2; : >"$secure_log" || bad "--secure-log: cannot write $2"; shift ;;
	--timeout) number "$1" "$2" 1 999999; timeout=$2; shift ;;
	--optee-os) OPTEE_OS_SRC=$(folder "$1" "$2"); shift ;;
	--tfa) TFA_SRC=$(folder "$1" "$2"); shift ;;
	--linux) LINUX_SRC=$(folder "$1" "$2"); shift ;;
	--help | -h) usage; exit ;;
	--) shift; command=1; break ;;
	*) bad "unknown option $1" ;;
	esac
	shift
done
[ -z "$command" ] || [ $# -gt 0 ] || bad "-- needs a command"
[ -z "$command" ] || [ -z "$shell" ] || bad "--shell or a command, not both"
if [ -n "$shell" ] && ! [ -t 0 ]; then bad "--shell needs a terminal"; fi
user=${user:-$arch}
[ "$arch$user" != armarm64 ] || bad "--user: AArch32 has no programs for AArch64"
options=(--arch "$arch" --user "$user" "${options[@]}")
[ -z "$libteec" ] || options+=(--libteec "$libteec")
boot=/build/boot
if [ "$arch" = arm ]; then
	boot=/build/arm/boot
	for name in "$core" "${kernel:-debian}"; do
		[[ " $(only_arm64) " != *" $name "* ]] || bad "--arch arm: $name is AArch64's alone"
	done
fi
if [ "$core" = ffa ]; then
	kernel=${kernel:-small}
	[ "$kernel" != debian ] || bad "--core ffa: Debian's kernel does not know FF-A, take another --kernel"
fi
[ -z "${OPTEE_OS_SRC:-}" ] || nearest optee "$OPTEE_OS_SRC" >/dev/null || exit 2
if [ -n "${LINUX_SRC:-}" ]; then
	near=$(nearest linux "$LINUX_SRC") || exit 2
	kernel=${kernel:-${near/linux/debian}}
	[ "${kernel/debian/linux}" = "$near" ] || [ "$near/$kernel" = linux/small ] || [ "$near/$kernel" = linux/debug ] ||
		bad "--linux: that is Linux $(tree_version linux "$LINUX_SRC"), for --kernel ${near/linux/debian}"
fi
kernel=${kernel:-debian}
[ -z "$gdb" ] || [ -n "$command$shell" ] || bad "--gdb goes with a command or --shell"
[ -n "$timeout$shell$gdb" ] || timeout=600
options+=(--timeout "${timeout:-0}")
export OVERLAY OPTEE_OS_SRC TFA_SRC LINUX_SRC
for v in OPTEE_OS_SRC TFA_SRC LINUX_SRC; do
	if [ -n "${!v:-}" ]; then printf -v "$v" %s "$(folder "$v" "${!v}")"; fi
done

goals=("CB_ARCH=$arch" all "$boot/flash-$core.bin")
if [ "$kernel" != debian ]; then
	goals+=("$boot/Image-$kernel")
	[ "${kernel#debian-}" = "$kernel" ] || goals+=("$boot/modules-$kernel.cpio")
	drivers=(stock bound)
	[ -z "$only$command$shell" ] || drivers=("$driver")
	for v in "${drivers[@]}"; do goals+=("$boot/driver-$kernel-$v.cpio"); done
fi
users=(all)
if [ -n "$libteec" ]; then
	if [ "$user" = "$arch" ]; then goals+=("$boot/libteec-$libteec.cpio"); else users+=("/build/$user/boot/libteec-$libteec.cpio"); fi
fi
"$TOP/scripts/build" -s "${goals[@]}" >&2 || exit 125
[ "$user" = "$arch" ] || "$TOP/scripts/build" -s "CB_ARCH=$user" "${users[@]}" >&2 || exit 125

# The guest's processes cannot see FILE; they leave a copy where they can.
# shellcheck disable=SC2317 # called by the trap
finish() {
	[ -z "$secure_log" ] || { cat "$copy" >"$secure_log"; rm -f "$copy"; }
}
if [ -n "$secure_log" ]; then
	mkdir -p "$BUILD/run"
	copy=$(mktemp "$BUILD/run/.secure-log.XXXXXX")
	options+=(--secure-log "/build/run/$(basename "$copy")")
fi
trap finish EXIT
# The root's processes live in a pid namespace that dies with the process we start; a signal to us shall end it at once.
trap 'kill -KILL $child 2>/dev/null; exit 130' TERM HUP
if [ -n "$command$shell" ]; then
	run=(xtask boot --core "$core" --driver "$driver" --kernel "$kernel" "${options[@]}" -- "$@")
elif [ -n "$only" ]; then
	run=(xtask demo --only "$core" "$driver" "$kernel" "${options[@]}")
else
	run=(xtask demo --kernel "$kernel" "${options[@]}")
fi
"$TOP/scripts/in-root" "${run[@]}" <&0 &
child=$!
status=0
wait $child || status=$?
exit $status
