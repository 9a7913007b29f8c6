# Unpacks the guest's kernel, a distribution package that stays uninstalled, to
# $cache/kernel/<version>/{boot/vmlinuz-<version>, lib/modules/<version>/}. Needs no root.

kernel_present() { is_file "$cache"/kernel/*/boot/vmlinuz-*; }

kernel_meta_package() {
  case $(. /etc/os-release 2>/dev/null && echo "${ID:-}")-$(uname -m) in
    ubuntu-*) echo linux-image-virtual ;;
    *-aarch64) echo linux-image-cloud-arm64 ;;
    *) echo linux-image-cloud-amd64 ;;
  esac
}

kernel_by_hand() {
  echo "put one at $cache/kernel/VERSION/boot/vmlinuz-VERSION, with lib/modules/VERSION beside boot, or run $guestctl setup --kernel FILE"
}

kernel_plan() {
  if has apt-get; then
    echo "by apt-get download $(kernel_meta_package), unpacked to $cache/kernel, not installed"
  else
    kernel_by_hand
  fi
}

# Prints the package that holds the kernel, which the meta package depends on.
kernel_package() {
  apt-cache depends "$1" | sed -n 's/^ *|\{0,1\}Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

kernel_fetch() {
  meta=$(kernel_meta_package)
  apt_knows "$meta" || apt_update
  image=$(kernel_package "$meta")
  if [ -z "$image" ]; then fail "apt knows no kernel for $meta on this machine; $(kernel_by_hand)"; fi
  version=${image#linux-image-}
  set -- "$image"
  if [ "$meta" = linux-image-virtual ]; then
    say "using Ubuntu's kernel $version; guestd is tested with Debian's 6.1 and 6.12"
    set -- "$image" "linux-modules-$version"
    if apt_knows "linux-modules-extra-$version"; then set -- "$@" "linux-modules-extra-$version"; fi
  fi
  say "apt-get download $*"
  kernel_unpack "$version" "$@"
}

# kernel_unpack VERSION PACKAGE…: unpacks to a temporary directory and renames it once complete.
kernel_unpack() {
  version=$1
  shift
  make_folders "$cache/kernel" "$cache/debs"
  work=$(mktemp -d "$cache/kernel/.new-XXXXXX" 2>&1) || cannot_write "$work"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  apt_download "$cache/debs" "$@"
  for package in "$@"; do
    newest=$(ls -t "$cache/debs/${package}_"*.deb | head -n 1)
    dpkg-deb -x "$newest" "$work" >>"$log" 2>&1 ||
      fail "dpkg-deb cannot unpack $newest; remove it and run this again" "$log"
  done
  is_file "$work/boot/vmlinuz-$version" || fail "$* has no boot/vmlinuz-$version"
  chmod 755 "$work"
  rm -rf "$cache/kernel/$version"
  mv "$work" "$cache/kernel/$version"
  trap - EXIT INT TERM
}
