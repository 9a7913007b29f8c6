# Builds programs that have no package here with cargo from crates.io, into $cache/tools/bin. They are linked statically,
# so that a release can carry them; $cache/tools/NAME.json then lists the crates that each was built from.

cargo_minor_wanted=78 # cargo 1.78 is the first to read the crates' lock files (version 4)
crates=""             # NAME@VERSION to build

# need_crate NAME VERSION PURPOSE
need_crate() {
  crates="$crates $1@$2"
  missing="$missing
  $(printf '%-24s %s (crate, built by cargo install)' "$1" "$3")"
}

# True if the given cargo command is recent enough.
cargo_is_recent() {
  minor=$("$1" --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge "$cargo_minor_wanted" ]
}

# Prints the package with a recent cargo. Debian 12 calls it cargo-web (for its browsers), later releases cargo, Ubuntu
# cargo-1.NN.
cargo_package() {
  for name in cargo-web $(apt-cache search --names-only '^cargo-1\.[0-9]+$' | cut -d' ' -f1 | sort -rV) cargo; do
    minor=$(apt-cache show --no-all-versions "$name" 2>/dev/null | sed -n 's/^Version: 1\.\([0-9]*\)\..*/\1/p')
    # Before 1.75, Debian numbered cargo 0.NN, which is too old.
    if [ -n "$minor" ] && [ "$minor" -ge "$cargo_minor_wanted" ]; then
      echo "$name"
      return 0
    fi
  done
}

# Guesses the package without apt's lists, for the command to print to a user without root.
cargo_package_guess() {
  if [ "$(. /etc/os-release && echo "$ID-${VERSION_ID:-}")" = debian-12 ]; then echo cargo-web; else echo cargo; fi
}

# Prints the first recent cargo. Rustup's proxy without a toolchain fails, and may precede the distribution's in PATH.
find_cargo() (
  IFS=:
  for folder in $PATH "$HOME/.cargo/bin" /usr/lib/rust-1.*/bin; do
    if cargo_is_recent "$folder/cargo"; then
      echo "$folder/cargo"
      return 0
    fi
  done
)

# Call after the last need_crate.
find_missing_cargo() {
  if [ -z "$crates" ] || [ -n "$(find_cargo)" ]; then return 0; fi
  package=""
  if has apt-get; then
    package=$(cargo_package)
    if [ -z "$package" ] && [ "$list" = no ] && can_be_root; then
      open_log
      apt_update
      package=$(cargo_package)
    elif [ -z "$package" ]; then
      package=$(cargo_package_guess)
    fi
  fi
  if [ -z "$package" ]; then
    say "missing:$missing"
    fail "cargo 1.$cargo_minor_wanted or later is needed to build$crates; install Rust, then run this again"
  fi
  packages="$packages $package"
  missing="$missing
  $(printf '%-24s %s (Debian package %s)' cargo "builds the crates above" "$package")"
}

# True if a release can carry the program.
crate_is_static() { is_file "$cache/tools/$1.json" && is_file "$cache/tools/bin/$1"; }

# Builds the crates; each takes one to five minutes on two cores.
crates_build() {
  if [ -z "$crates" ]; then return 0; fi
  cargo=$(find_cargo)
  if [ -z "$cargo" ]; then fail "no cargo 1.$cargo_minor_wanted or later after the installation; see $log" "$log"; fi
  for crate in $crates; do
    say "cargo install $crate, to $cache/tools (takes one to five minutes)"
    crate_build "${crate%@*}" "${crate#*@}" || fail "cargo install $crate failed; see $log" "$log"
  done
}

# crate_build NAME VERSION: the paths of this machine stay out of the program, so that equal compilers give equal bytes.
crate_build() (
  name=$1
  build=$cache/build-$name
  sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
  libraries=/usr/lib/$(uname -m)-linux-gnu
  # Cargo finds its own rustc through PATH, also in /usr/lib/rust-1.NN.
  PATH=$(dirname -- "$(command -v "$cargo")"):$PATH
  CARGO_TARGET_DIR=$build
  # With a target, the flags are not those of programs that run during the build.
  target=$("$cargo" -vV | sed -n 's/^host: //p')
  CARGO_ENCODED_RUSTFLAGS=$(printf '%s\037' -C target-feature=+crt-static -C strip=symbols)--remap-path-prefix=$sources=/crates$(
    printf '\037'
  )--remap-path-prefix=$build=/build
  LIBSECCOMP_LINK_TYPE=static LIBSECCOMP_LIB_PATH=$libraries LIBCAPNG_LINK_TYPE=static LIBCAPNG_LIB_PATH=$libraries
  export PATH CARGO_TARGET_DIR CARGO_ENCODED_RUSTFLAGS
  export LIBSECCOMP_LINK_TYPE LIBSECCOMP_LIB_PATH LIBCAPNG_LINK_TYPE LIBCAPNG_LIB_PATH
  with_progress "$cargo" install "$name@$2" --locked --force --target "$target" --root "$cache/tools" &&
    "$cargo" metadata --locked --format-version 1 --filter-platform "$target" \
      --manifest-path "$(echo "$sources"/*/"$name-$2/Cargo.toml")" >"$build/metadata.json" 2>>"$log" &&
    mv "$build/metadata.json" "$cache/tools/$name.json" &&
    rm -rf "$build"
)
