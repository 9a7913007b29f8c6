# Installs packages with apt: as root, through a sudo that needs no password, or by printing the command to run.

as_root=""
apt_updated=no

can_be_root() {
  if [ "$(id -u)" = 0 ]; then return 0; fi
  if has sudo && sudo -n true 2>/dev/null; then as_root="sudo -n"; return 0; fi
  return 1
}

# True if apt knows a version of the package.
apt_knows() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

apt_update() {
  if [ "$apt_updated" = yes ]; then return 0; fi
  can_be_root || fail "apt's package lists are missing or old. Run: sudo apt-get update"
  say "apt-get update"
  $as_root apt-get -q -o DPkg::Lock::Timeout=300 update >>"$log" 2>&1 || fail "apt-get update failed; see $log" "$log"
  apt_updated=yes
}

# Fails with the command to run if there are $packages and this user can't install them.
apt_may_install() {
  if [ -z "$packages" ]; then return 0; fi
  packages=$(printf '%s\n' $packages | sort -u | tr '\n' ' ')
  packages=${packages% }
  can_be_root ||
    fail "installing packages needs root. Run: sudo apt-get update && sudo apt-get install --no-install-recommends -y $packages"
}

# Installs $packages, if any.
apt_install() {
  if [ -z "$packages" ]; then return 0; fi
  apt_may_install
  for package in $packages; do
    if ! apt_knows "$package"; then apt_update; fi
    apt_knows "$package" || fail "apt has no package $package; install its programs by other means, then run this again"
  done
  say "apt-get install --no-install-recommends $packages"
  if ! apt_install_now; then
    apt_update
    apt_install_now || fail "apt-get install failed; see $log" "$log"
  fi
}

# Fails if the package lists name versions that the archive no longer has; the caller updates the lists and retries.
apt_install_now() {
  with_progress $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
    -o Dpkg::Use-Pty=0 install $packages
}

# apt_download DIRECTORY PACKAGE…: downloads .deb files to a directory. Needs no root while the package lists are fresh.
apt_download() {
  directory=$1
  shift
  for package in "$@"; do
    if ! apt_knows "$package"; then apt_update; fi
  done
  if ! (cd "$directory" && apt-get -q download "$@" >>"$log" 2>&1); then
    apt_update
    (cd "$directory" && apt-get -q download "$@" >>"$log" 2>&1) || fail "apt-get download $* failed; see $log" "$log"
  fi
}
