# QEMU contained a virtiofsd in C until 8.0; its successor, in Rust, has a separate package. Both work for root. The one
# in C doesn't start in the user namespace of an ordinary user with supplementary groups, so that user gets the one in
# Rust, from crates.io if the distribution packages only the other: a build of minutes, so only for tests and on request.

virtiofsd_package() {
  case $(. /etc/os-release 2>/dev/null && echo "${ID:-}-${VERSION_ID:-}") in
    debian-11 | debian-12 | ubuntu-20.04 | ubuntu-22.04) echo qemu-system-common ;;
    *) echo virtiofsd ;;
  esac
}

# True if host/vm/programs.ts will find a usable virtiofsd.
virtiofsd_present() {
  for path in "$(command -v virtiofsd)" "$cache/tools/bin/virtiofsd" "$carried/virtiofsd" /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd \
    /usr/lib/virtiofsd; do
    if ! [ -x "$path" ]; then continue; fi
    if [ "$(id -u)" = 0 ]; then return 0; fi
    # The one in C prints "virtiofsd version 7.2.x", or no version for a user with supplementary groups.
    case $("$path" --version 2>&1) in "virtiofsd "[0-9]* | "virtiofsd backend "*) return 0 ;; esac
  done
  return 1
}

find_missing_virtiofsd() {
  if [ "$goal" = release ]; then
    crate_is_static virtiofsd || need_virtiofsd_crate
    return 0
  fi
  if virtiofsd_present; then return 0; fi
  package=$(virtiofsd_package)
  if [ "$(id -u)" = 0 ] || [ "$package" = virtiofsd ]; then
    need "$package" virtiofsd "shares directories with the guest" false
    return 0
  fi
  [ "$goal" = test ] || [ "$virtiofsd" = yes ] || return 0
  need_virtiofsd_crate
}

need_virtiofsd_crate() {
  need_crate virtiofsd 1.14.0 "shares directories with the guest, without root"
  need libcap-ng-dev "libcap-ng headers" "needed to build virtiofsd" is_file /usr/include/cap-ng.h
  need libseccomp-dev "libseccomp headers" "needed to build virtiofsd" is_file /usr/include/seccomp.h
}
