# The guest's vsock device: the host kernel's where /dev/vhost-vsock opens, else vhost-device-vsock from crates.io.

vsock_crate=vhost-device-vsock
vsock_crate_version=0.3.0
cargo_minor_wanted=78 # cargo 1.78 is the first that reads the crate's lock file (version 4)

vsock_device_present() {
  if [ -c /dev/vhost-vsock ] && (: <>/dev/vhost-vsock) 2>/dev/null; then return 0; fi
  has "$vsock_crate" || is_file "$cache/tools/bin/$vsock_crate"
}

# True for a cargo that is new enough. Takes the command to ask.
cargo_is_recent() {
  minor=$("$1" --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge "$cargo_minor_wanted" ]
}

# Debian 12 has a recent Rust as cargo-web (for its browsers), later releases as cargo, Ubuntu as cargo-1.NN.
cargo_package() {
  for name in cargo-web $(apt-cache search --names-only '^cargo-1\.[0-9]+$' | cut -d' ' -f1 | sort -rV) cargo; do
    minor=$(apt-cache show --no-all-versions "$name" 2>/dev/null | sed -n 's/^Version: 1\.\([0-9]*\)\..*/\1/p')
    # cargo 0.NN is how Debian numbered cargo before 1.75, too old for us
    if [ -n "$minor" ] && [ "$minor" -ge "$cargo_minor_wanted" ]; then
      echo "$name"
      return 0
    fi
  done
}

# The same without apt's lists, for the command line that a user without root is told.
cargo_package_guess() {
  if [ "$(. /etc/os-release && echo "$ID-${VERSION_ID:-}")" = debian-12 ]; then echo cargo-web; else echo cargo; fi
}

find_cargo() {
  for command in cargo "$HOME/.cargo/bin/cargo" /usr/lib/rust-1.*/bin/cargo; do
    if cargo_is_recent "$command"; then
      echo "$command"
      return 0
    fi
  done
}

find_missing_vsock_device() {
  missing="$missing
  vhost-device-vsock       the guest's vsock: there is no usable /dev/vhost-vsock (crate, built by cargo install)"
  if [ -n "$(find_cargo)" ]; then return 0; fi
  package=""
  if has apt-get; then
    package=$(cargo_package)
    if [ -z "$package" ] && can_be_root; then
      mkdir -p "$cache"
      : >>"$log"
      apt_update
      package=$(cargo_package)
    elif [ -z "$package" ]; then
      package=$(cargo_package_guess)
    fi
  fi
  if [ -z "$package" ]; then
    say "this is missing:$missing"
    fail "cargo 1.$cargo_minor_wanted or later is needed to build vhost-device-vsock: install Rust, then run this again"
  fi
  packages="$packages $package"
  missing="$missing
  $(printf '%-24s %s (Debian package %s)' cargo "builds vhost-device-vsock" "$package")"
}

vsock_device_build() {
  cargo=$(find_cargo)
  if [ -z "$cargo" ]; then fail "no cargo 1.$cargo_minor_wanted or later after the installation: see $log" "$log"; fi
  say "cargo install $vsock_crate $vsock_crate_version, to $cache/tools (takes a minute or two)"
  # a cargo from /usr/lib/rust-1.NN looks for its own rustc beside it
  PATH=$(dirname -- "$(command -v "$cargo")"):$PATH CARGO_TARGET_DIR="$cache/build-$vsock_crate" \
    "$cargo" install "$vsock_crate" --version "$vsock_crate_version" --locked --root "$cache/tools" >>"$log" 2>&1 ||
    fail "cargo install $vsock_crate failed: see $log" "$log"
  rm -rf "$cache/build-$vsock_crate"
}
