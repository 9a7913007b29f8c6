import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../../../lib/is-root.ts";
import { cgroup2Root, makeAgentCgroup, removeAgentCgroup } from "./agent-cgroup.ts";
import { ended, firstChildOf, type StartedCommand, spawnRead } from "./started-command.ts";

/**
 * Prepares namespaces that look like a guest: own /proc, an empty /run, and cgroup v2 with this agent's cgroup as its root.
 * The command is PID 1 there.
 */
const PREPARE = `mount -t proc proc /proc && mount -t tmpfs -o mode=755 tmpfs /run || exit 125
umount -R -l /sys/fs/cgroup 2>/dev/null
[ -z "$CGROUP" ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /bin/sh -c "$COMMAND"`;

/** Returns why agents can't be started in namespaces here; undefined if they can. */
function whyNoNamespaces(): string | undefined {
  if (!isRoot()) return "it needs namespaces and mounts; run guestctl as root";
  const missing = ["unshare", "setpriv"].find((name) => !existsSync(`/usr/bin/${name}`));
  return missing === undefined ? undefined : `/usr/bin/${missing} does not exist; install util-linux`;
}

/** Describes the surroundings for reports, with the controllers that the agent's cgroups have on this machine. */
export function describeGuestLike(): string {
  return `namespaces of this machine, an empty /run, and ${describeCgroups()}`;
}

function describeCgroups(): string {
  const root = cgroup2Root();
  if (root === undefined) return "no cgroups";
  const controllers = readFileSync(join(root, "cgroup.controllers"), "utf8").trim().split(" ").filter(Boolean);
  return `cgroup v2 ${controllers.length === 0 ? "without controllers" : `with ${controllers.join(", ")}`}`;
}

/** Starts a command as PID 1 of namespaces that look like a guest. */
export function startGuestLike(command: string): StartedCommand {
  const why = whyNoNamespaces();
  if (why !== undefined) throw new Error(`start the agent: ${why}`);
  const cgroup = makeAgentCgroup();
  const child = spawnInNamespaces(command, cgroup);
  const kill = () => child.kill("SIGKILL");
  return {
    child,
    kill,
    pid() {
      const first = child.pid === undefined ? undefined : firstChildOf(child.pid);
      if (first === undefined) throw new Error("start the agent: its first process has ended");
      return first;
    },
    async end() {
      kill();
      await ended(child);
      if (cgroup !== undefined) await removeAgentCgroup(cgroup);
    },
  };
}

function spawnInNamespaces(command: string, cgroup: string | undefined) {
  const namespaces = ["--pid", "--mount", "--uts", "--ipc", "--net", "--propagation", "private"];
  const inside = ["unshare", "--fork", "--kill-child=SIGKILL", ...namespaces, "/bin/sh", "-c", PREPARE];
  // The cgroup namespace is rooted in the cgroup; unshare's waiting parent then leaves it, because only a cgroup without
  // processes can delegate controllers.
  const enter =
    'echo 0 > "$CGROUP/cgroup.procs" && exec setpriv --pdeathsig KILL unshare --cgroup /bin/sh -c "$LEAVE" sh "$@"';
  const script = cgroup === undefined ? 'exec setpriv --pdeathsig KILL "$@"' : enter;
  return spawnRead("/bin/sh", ["-c", script, "sh", ...inside], {
    COMMAND: command,
    CGROUP: cgroup ?? "",
    LEAVE: 'echo 0 > "$CGROUP/outside/cgroup.procs" && exec "$@"',
  });
}
