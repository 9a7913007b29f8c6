import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { isRoot } from "../../../lib/is-root.ts";
import { onProcessEnd } from "../../../lib/process-end.ts";
import { connect } from "../../client/agent-client.ts";
import { makeTemporaryFolder } from "../../private-folder.ts";
import { makeAgentCgroup, removeAgentCgroup } from "./agent-cgroup.ts";
import { restartBy } from "./restart.ts";
import type { AgentUnderTest, Target } from "./target.ts";

/** Place of the agent's socket. An agent that is PID 1 covers /run and /tmp, and /dev is its own. */
const PLACE = "/var/tmp";
const MAX_OUTPUT = 64 * 1024;
/** MAC address of the interface that cases may change. */
const MAC = "02:00:00:00:16:01";

/**
 * Prepares namespaces that look like a guest: own /proc, an empty /run, and cgroup v2 with this agent's cgroup as its root.
 * The command is PID 1 there.
 */
const PREPARE = `mount -t proc proc /proc && mount -t tmpfs -o mode=755 tmpfs /run || exit 125
umount -R -l /sys/fs/cgroup 2>/dev/null
[ -z "$CGROUP" ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /bin/sh -c "$COMMAND"`;

export interface StartOptions {
  /** Shell command, in which `{address}` is replaced by the path of the socket to serve. */
  readonly command: string;
  /** Shell command that kills the agent, in which `{pid}` is replaced by the pid of the started command. */
  readonly restart?: string;
  /** Time until the agent has to answer a health check. */
  readonly limitMs?: number;
}

/** Returns why agents can't be started in namespaces here; undefined if they can. */
function whyNoNamespaces(): string | undefined {
  if (!isRoot()) return "it needs namespaces and mounts; run guestctl as root";
  const missing = ["unshare", "setpriv"].find((name) => !existsSync(`/usr/bin/${name}`));
  return missing === undefined ? undefined : `/usr/bin/${missing} does not exist; install util-linux`;
}

/** Returns a target that starts a fresh agent for each group, in namespaces of this machine. */
export function startedTarget(options: StartOptions): Target {
  return { description: `started by ${options.command}`, open: () => startAgent(options) };
}

async function startAgent({ command, restart, limitMs = 30_000 }: StartOptions): Promise<AgentUnderTest> {
  const why = whyNoNamespaces();
  if (why !== undefined) throw new Error(`start the agent: ${why}`);
  const folder = makeTemporaryFolder("guestd-conformance-", PLACE);
  const socket = join(folder, "agent.sock");
  const cgroup = makeAgentCgroup();
  const child = spawnInNamespaces(command.replaceAll("{address}", socket), cgroup);
  const text = collect(child);
  const forget = onProcessEnd(() => child.kill("SIGKILL"));
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    if (cgroup !== undefined) await removeAgentCgroup(cgroup);
    rmSync(folder, { recursive: true, force: true });
    forget();
  };
  try {
    await answering(`unix://${socket}`, child, text, limitMs);
    const pid = await firstChild(child);
    const by = restartBy(restart === undefined ? {} : { command: restart }, () => pid);
    return {
      address: `unix://${socket}`,
      isOwn: true,
      ...(by === undefined ? {} : { restart: by }),
      spareInterface: () => addInterface(pid),
      output: text,
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function spawnInNamespaces(command: string, cgroup: string | undefined): ChildProcess {
  const namespaces = ["--pid", "--mount", "--uts", "--ipc", "--net", "--propagation", "private"];
  const inside = ["unshare", "--fork", "--kill-child=SIGKILL", ...namespaces, "/bin/sh", "-c", PREPARE];
  // The cgroup namespace is rooted in the cgroup; unshare's waiting parent then leaves it, because only a cgroup without
  // processes can delegate controllers.
  const enter =
    'echo 0 > "$CGROUP/cgroup.procs" && exec setpriv --pdeathsig KILL unshare --cgroup /bin/sh -c "$LEAVE" sh "$@"';
  const script = cgroup === undefined ? 'exec setpriv --pdeathsig KILL "$@"' : enter;
  return spawn("/bin/sh", ["-c", script, "sh", ...inside], {
    env: {
      ...process.env,
      COMMAND: command,
      CGROUP: cgroup ?? "",
      LEAVE: 'echo 0 > "$CGROUP/outside/cgroup.procs" && exec "$@"',
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Keeps the last output. */
function collect(child: ChildProcess): () => string {
  let text = "";
  const keep = (data: Buffer) => {
    text = `${text}${data.toString()}`.slice(-MAX_OUTPUT);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return () => text;
}

/** Waits until the agent answers a health check. */
async function answering(address: string, child: ChildProcess, text: () => string, limitMs: number): Promise<void> {
  for (const end = performance.now() + limitMs; ; await sleep(20)) {
    try {
      await using client = await connect(address);
      await client.health.check({}, { timeoutMs: limitMs });
      return;
    } catch (error) {
      const last = text().trimEnd().split("\n").at(-1) ?? "";
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`start the agent: its command ended with ${child.exitCode ?? child.signalCode}: ${last}`);
      }
      if (performance.now() > end) {
        const why = (error as Error).message;
        throw new Error(`start the agent: no answer within ${limitMs / 1000} s: ${why}; its last line: ${last}`);
      }
    }
  }
}

/** Returns the pid on this machine of the namespaces' first process. */
async function firstChild(child: ChildProcess): Promise<number> {
  const { pid } = child;
  const list = pid === undefined ? "" : readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
  const first = Number(list.split(" ")[0]);
  if (!(first > 1)) throw new Error("start the agent: its first process has ended");
  return first;
}

/** Creates one end of a pair of interfaces in the agent's network namespace, unless it exists. */
async function addInterface(pid: number): Promise<string> {
  const make = `ip link | grep -q ${MAC} || ip link add conf0 address ${MAC} type veth peer name conf1`;
  await promisify(execFile)("nsenter", ["-t", String(pid), "-n", "/bin/sh", "-c", make]);
  return MAC;
}
