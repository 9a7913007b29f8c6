#!/bin/sh
# Prepares a machine for `npm run demo`, `npm test` and `guestctl setup`: finds missing programs, lists them, and
# installs them.
#
#   sh host/setup/setup.sh [guest|demo|release|test] [--dev] [--vsock-device] [--virtiofsd] [--list] [--yes]
#
# guest: the needs of a guest that is already built. demo: also those of its build. release: also npm's packages for
# development, and the two programs of the host that a release carries, which cargo builds. test (default): also the
# needs of tests, benchmarks and outputs other than guest.img. programs.sh has the list.
# --dev: also clang for the fuzzers, and strace.
# --vsock-device: also vhost-device-vsock, without which guests are reached over virtio-serial; test includes it.
# --virtiofsd: also virtiofsd where cargo has to build it; only guests with a shared folder need it; test includes it.
# --list: only lists what is missing, and fails if it couldn't be installed.
# --yes, CI or npm's --yes: installs without asking; without a terminal it doesn't ask either.
# Needs only npm and, to install packages, apt. Changes nothing if nothing is missing. Exits with 1 if something is
# missing and can't be installed; the last lines then tell what to do.
# Downloads and tools are kept in ${GUESTD_CACHE:-~/.cache/guestd}.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
# Without the variable, as services run, Node takes the same.
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
export HOME
cache=${GUESTD_CACHE:-$HOME/.cache/guestd}
log=$cache/setup.log
# Folder of the programs that guestd's packages carry.
carried=${GUESTD_CARRIED:-/nonexistent}
# How the user calls guestctl, for lines that name it.
guestctl=${GUESTCTL:-./guestctl}
goal=test
dev=no
vsock_device=no
virtiofsd=no
list=no
yes=no
for argument in "$@"; do
  case $argument in
    guest | demo | release | test) goal=$argument ;;
    --dev) dev=yes ;;
    --vsock-device) vsock_device=yes ;;
    --virtiofsd) virtiofsd=yes ;;
    --list) list=yes ;;
    --yes) yes=yes ;;
    *)
      echo "setup: unknown argument \"$argument\"; use guest, demo, release or test, --list, --yes, --vsock-device, --virtiofsd, and --dev for the fuzzers' compiler and strace" >&2
      exit 2
      ;;
  esac
done

# say TEXT: prints a line, from the terminal's left edge: sudo leaves the cursor where it is.
say() { printf '%ssetup: %s\n' "$edge" "$*"; }
edge=""
if [ -t 1 ]; then edge=$(printf '\r'); fi

# ask: lets the person at the terminal refuse.
ask() {
  if [ "$yes" = yes ] || [ -n "${CI:-}" ] || [ "${npm_config_yes:-}" = true ] || ! [ -t 0 ]; then return 0; fi
  printf 'setup: install it? [Y/n] '
  read -r answer || answer=no
  case $answer in "" | [Yy] | [Yy][Ee][Ss]) ;; *) fail "nothing was installed" ;; esac
}

# fail TEXT [LOG]: prints one line, after the end of the log if given, and exits. If the log's command failed because
# the disk was full, the line says so.
fail() {
  if [ -n "${2:-}" ]; then
    if [ -s "$2" ]; then tail -n 15 "$2" | sed 's/^/  | /' >&2; fi
    if disk_was_full "$2"; then
      echo "setup: ${1%%;*}: the disk is full; free some space, then run this again" >&2
      exit 1
    fi
  fi
  echo "setup: $1" >&2
  exit 1
}

# disk_was_full LOG: true if the log's end says so, or if the log's disk has no room for the message.
disk_was_full() {
  case $(tail -n 15 "$1" 2>/dev/null) in *"o space left on device"* | *"enough free space"*) return 0 ;; esac
  free_kib=$(df -Pk "${1%/*}" 2>/dev/null | sed -n '2s/.* \([0-9][0-9]*\)  *[0-9]*% .*/\1/p')
  [ "${free_kib:-64}" -lt 64 ]
}

# make_folders DIRECTORY…: creates directories in the cache.
make_folders() { made=$(mkdir -p "$@" 2>&1) || cannot_write "$made"; }

# cannot_write MESSAGE: fails with the reason at the end of a command's message.
cannot_write() { fail "cannot write to $cache: ${1##*: }; make it writable, or set GUESTD_CACHE to another folder"; }

# Creates the log, or keeps what it has. A new cache is marked, as host/vm/cache-tag.ts does.
open_log() {
  make_folders "$cache"
  if [ -z "$(ls -A "$cache")" ]; then
    marked=$( (printf '%s\n' "Signature: 8a477f597d28d172789f06886806bc55" "# guestd created this folder." \
      >"$cache/CACHEDIR.TAG") 2>&1) || cannot_write "$marked"
  fi
  opened=$( (: >>"$log") 2>&1) || cannot_write "$opened"
}

has() { command -v "$1" >/dev/null 2>&1; }
is_file() { for path in "$@"; do if [ -e "$path" ]; then return 0; fi; done; return 1; }

. "$here/only-one.sh"
. "$here/with-progress.sh"
. "$here/programs.sh"
. "$here/npm-packages.sh"
. "$here/apt.sh"
. "$here/kernel.sh"
. "$here/crates.sh"
. "$here/virtiofsd.sh"
. "$here/vsock-device.sh"

packages="" # Debian packages to install
missing=""  # one line for each missing program
find_missing_programs
find_missing_virtiofsd
[ "$goal" = guest ] || npm_packages_current || missing="$missing
  npm packages             by npm ci, into node_modules"
kernel_present || missing="$missing
  a guest kernel           $(kernel_plan)"
find_missing_vsock_device
find_missing_cargo
if [ -z "$missing" ]; then exit 0; fi

say "missing:$missing"
if ! has apt-get; then
  if [ -n "$packages" ]; then
    fail "this is not Debian or Ubuntu; install the programs above with your package manager, then run this again"
  fi
  kernel_present || fail "this is not Debian or Ubuntu, so there is no kernel for guests; $(kernel_by_hand)"
fi
if [ "$list" = yes ]; then
  apt_may_install
  exit 0
fi
apt_may_install
ask
open_log
be_only_one "$@"
: >"$log"
apt_install
[ "$goal" = guest ] || npm_packages_current || npm_packages_install
kernel_present || kernel_fetch
crates_build
say "everything is installed"
virtiofsd_present || say "folders of this machine in containers (-v) need virtiofsd: $guestctl setup --virtiofsd builds it"
