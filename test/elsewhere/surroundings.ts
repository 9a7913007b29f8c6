import { spawnSync } from "node:child_process";

/** A way in which a machine or a user differs from those that the tests were written on. */
export interface Surrounding {
  readonly name: string;
  /** Path of the clone; by default where it is. */
  readonly clone?: string;
  /** Shell lines before the tests, as root in a mount and pid namespace of their own. $CLONE is the clone. */
  readonly prepare?: string;
  /** Words before the command of the tests. */
  readonly words?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders and files of the project `unit`, and of `init`, which needs root. */
  readonly unit?: readonly string[];
  readonly init?: readonly string[];
}

/** Parts of the suite that look at the machine, its users, folders, locale and network. */
const MACHINE = [
  ...["lib", "host/block-root", "host/cli/command/setup", "host/machine/keep-kernel", "host/machine/paths"],
  ...["host/machine/diagnosis", "host/machine/virtiofs", "host/setup/setup", "host/state", "test/clean-up/leftovers"],
];
const NAMESPACES = ["test/init/life.test.ts", "test/differential", "test/namespaces/sdk-errors.test.ts"];
const NOBODY = 65_534;
/** A language in which the capital of i isn't I, if this machine has it. */
const TURKISH = spawnSync("locale", ["-a"], { encoding: "utf8" }).stdout?.match(/^tr_TR.*$/m)?.[0] ?? "POSIX";

export const SURROUNDINGS: readonly Surrounding[] = [
  {
    name: "below a home of mode 0700, as root",
    clone: "/var/tmp/guestd-elsewhere/home/clone",
    prepare: "chmod 700 /var/tmp/guestd-elsewhere/home",
    unit: MACHINE,
    init: NAMESPACES,
  },
  {
    name: "as an ordinary user",
    clone: "/var/tmp/guestd-elsewhere/open/clone",
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
    clone: "/var/tmp/guestd-elsewhere/a folder of Özgür 文/clone",
    unit: MACHINE,
    init: NAMESPACES,
  },
  { name: `the language ${TURKISH}, in Kathmandu`, env: { LC_ALL: TURKISH, TZ: "Asia/Kathmandu" }, unit: MACHINE },
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
    prepare: `root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts); mkdir -p "$root/guestd-elsewhere"
      echo 6G >"$root/guestd-elsewhere/memory.max"; echo $$ >"$root/guestd-elsewhere/cgroup.procs"`,
    unit: MACHINE,
  },
];
