#!/bin/sh
# Prepares a machine for `npm run demo`, `npm test` and `guestctl setup`: finds missing programs, lists them, and
# installs them.
#
#   sh host/setup/setup.sh [guest|demo|test] [--dev] [--list]
#
# guest: the needs of a guest that is already built. demo: also those of its build. test (default): also those of tests,
# benchmarks and outputs other than guest.img. --dev: clang for the fuzzers, and strace. programs.sh has the list.
# --list: only lists what is missing, and fails if it couldn't be installed.
# Needs only npm and, to install packages, apt. Changes nothing if nothing is missing. Exits with 1 if something is
# missing and can't be installed; the last lines then tell what to do.
# Downloads and tools are kept in ${GUESTD_CACHE:-~/.cache/guestd}.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
cache=${GUESTD_CACHE:-$HOME/.cache/guestd}
log=$cache/setup.log
goal=test
dev=no
list=no
for argument in "$@"; do
  case $argument in
    guest | demo | test) goal=$argument ;;
    --dev) dev=yes ;;
    --list) list=yes ;;
    *)
      echo "setup: unknown argument \"$argument\"; use guest, demo or test, --list, and --dev for the fuzzers' compiler and strace" >&2
      exit 2
      ;;
  esac
done

say() { echo "setup: $*"; }

# fail TEXT [LOG]: prints one line, after the end of the log if given, and exits.
fail() {
  if [ -n "${2:-}" ] && [ -s "$2" ]; then tail -n 15 "$2" | sed 's/^/  | /' >&2; fi
  echo "setup: $1" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }
is_file() { for path in "$@"; do if [ -e "$path" ]; then return 0; fi; done; return 1; }

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
if [ -n "$packages" ] && ! has apt-get; then
  fail "this is not Debian or Ubuntu; install the programs above with your package manager, then run this again"
fi
if [ "$list" = yes ]; then
  apt_may_install
  exit 0
fi
mkdir -p "$cache"
: >"$log"
apt_install
[ "$goal" = guest ] || npm_packages_current || npm_packages_install
kernel_present || kernel_fetch
crates_build
say "everything is installed"
