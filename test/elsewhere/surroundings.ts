/** A way in which a machine or a user differs from those that the tests were written on. */
export interface Surrounding {
  readonly name: string;
  /** Folder of the clone, below another; by default the clone is where it is. */
  readonly below?: string;
  /** Shell lines before the tests, as root in a mount namespace of their own. $CLONE is the clone. */
  readonly prepare?: string;
  /** Words before the command of the tests. */
  readonly words?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders and files of these projects. `init` and `guest` need root. */
  readonly unit?: readonly string[];
  readonly init?: readonly string[];
  readonly guest?: readonly string[];
  readonly nightly?: readonly string[];
}

/** Parts of the suite that look at the machine, its users, folders, modes, locale and network. */
const MACHINE = [
  ...[
    "lib",
    "agent/guest/warm-start",
    "agent/storage",
    "image",
    "host/engine/image/disk",
    "host/cli/command/setup.test.ts",
  ],
  ...["host/vm/keep-kernel.test.ts", "host/vm/virtiofs.test.ts", "host/setup", "host/engine/record"],
  ...["rootfs-builder/debian", "rootfs-builder/tree", "test/clean-up", "test/mutation/sandbox.test.ts"],
];
const NAMESPACES = ["test/init/life.test.ts", "test/differential", "test/namespaces/sdk-errors.test.ts"];
const NOBODY = 65_534;

export const SURROUNDINGS: readonly Surrounding[] = [
  {
    name: "below a home of mode 0700, as root",
    below: "home",
    prepare: 'chmod 700 "$(dirname "$CLONE")"',
    unit: MACHINE,
    init: NAMESPACES,
    guest: ["test/vm/image-build.test.ts"],
    nightly: ["test/nightly/image-build.test.ts"],
  },
  {
    name: "as an ordinary user",
    below: "open",
    prepare: `mkdir -p "$TMPDIR/.cache/guestd"; chown -R ${NOBODY} "$TMPDIR"
      mount --bind "\${GUESTD_CACHE:-$HOME/.cache/guestd}" "$TMPDIR/.cache/guestd"
      for own in build/test node_modules/.vite node_modules/.vite-temp; do
        mkdir -p "$own"; mount -t tmpfs -o uid=${NOBODY} own "$own"
      done`,
    words: [
      "setpriv",
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      "--clear-groups",
      "--",
      "sh",
      "-c",
      'HOME=$TMPDIR exec "$@"',
      "sh",
    ],
    unit: MACHINE,
  },
  { name: "umask 077", prepare: "umask 077", unit: MACHINE, init: NAMESPACES },
  {
    name: "a path with spaces and other letters",
    below: "a folder of Özgür 文",
    prepare: `export TMPDIR="$TMPDIR/files of Özgür 文"; mkdir "$TMPDIR"`,
    unit: MACHINE,
    init: NAMESPACES,
  },
  {
    // Node has the language, whose capital of i isn't I and whose decimal sign is a comma; the machine may lack it, as one that
    // is reached by ssh from another.
    name: "in Turkish, in Kathmandu",
    env: { LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Kathmandu" },
    unit: MACHINE,
  },
  {
    name: "no IPv6",
    words: [
      "unshare",
      "--net",
      "sh",
      "-c",
      'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; exec "$@"',
      "sh",
    ],
    unit: ["host/client", "host/serve/http", "agent/network", "lib"],
  },
  { name: "no HOME", words: ["env", "-u", "HOME"], unit: MACHINE },
  {
    name: "6 GiB of memory",
    // The controller is in one hierarchy, of version 1 or 2.
    prepare: `for root in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts); do
        own=$root/guestd-elsewhere; mkdir -p "$own" 2>/dev/null || continue
        for limit in memory.max memory.limit_in_bytes; do
          if [ -e "$own/$limit" ]; then echo 6G >"$own/$limit"; echo 0 >"$own/cgroup.procs"; limited=$own; fi
        done
        [ "\${limited:-}" = "$own" ] || rmdir "$own"
      done; [ -n "$limited" ]`,
    unit: MACHINE,
  },
  { name: "odd and even numbers of memory pages, in guests", nightly: ["test/nightly/memory-pages.test.ts"] },
];
