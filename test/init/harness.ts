import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRoot } from "../../lib/is-root.ts";
import { childrenOf } from "./children-of.ts";

const repository = join(import.meta.dirname, "../..");

export interface InitOptions {
  /** Default: build/native/init. */
  readonly init?: string;
  /**
   * Program (absolute path) and arguments of the agent. In there, /run, /tmp and /dev are fresh and empty, so its files
   * and sockets have to be elsewhere, such as in the repository's build folder.
   */
  readonly agentCommand: readonly string[];
  /** Init's environment; the agent sees the GUESTD_* variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running init in namespaces of its own. */
export interface RunningInit extends AsyncDisposable {
  /** Init's pid on this machine; waits until init exists. */
  pid(): Promise<number>;
  /** Host pids of the direct children of init: the agent and launched processes. */
  children(): Promise<number[]>;
  /** The directory of the cgroup that is the root of init's cgroup namespace; undefined without cgroup2 here. */
  readonly cgroup: string | undefined;
  /** Console output of init and the agent (descriptors 1 and 2) so far. */
  console(): string;
  /** Waits until the console matches. Throws after `limitMs` with what is there. */
  waitForConsole(pattern: RegExp, limitMs?: number): Promise<RegExpMatchArray>;
  /** How the namespace ended. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** SIGKILL to everything inside, then the cgroups are removed. */
  kill(): Promise<void>;
}

/** Why tests that need namespaces cannot run here; undefined when they can. */
export function whyNoNamespaces(): string | undefined {
  if (!isRoot()) return "not root: init needs namespaces, mounts and cgroups; run the tests as root";
  const missing = ["unshare", "setpriv"].find((name) => !existsSync(`/usr/bin/${name}`));
  if (missing !== undefined) return `no /usr/bin/${missing}: apt-get install util-linux`;
  const covered = ["/tmp", "/run", "/dev"].find((path) => repository.startsWith(`${path}/`));
  if (covered !== undefined) return `the repository is below ${covered}, which init covers: move it elsewhere`;
  return undefined;
}

let started = 0;

/** Starts init as PID 1 of fresh pid, mount, uts, ipc, net and cgroup namespaces: what a guest looks like to an agent. */
export function startInit(options: InitOptions): RunningInit {
  const cgroup = makeCgroup(`guestd-test-${process.pid}-${++started}`);
  const init = resolve(options.init ?? join(repository, "build/native/init"));
  const namespaces = ["--pid", "--mount", "--uts", "--ipc", "--net", "--propagation", "private"];
  const command = ["unshare", "--fork", "--kill-child=SIGKILL", ...namespaces, init, "--", ...options.agentCommand];
  // The namespace is rooted in the cgroup, then unshare's waiting parent leaves it: controllers can be handed on only by
  // a cgroup without processes.
  const alone = "exec setpriv --pdeathsig KILL unshare --cgroup"; // nothing outlives a test run that was killed
  const enter = `echo 0 > ${cgroup}/cgroup.procs && ${alone} sh -c "$LEAVE" sh "$@"`;
  const leave = `echo 0 > ${cgroup}/outside/cgroup.procs && exec "$@"`;
  const script = cgroup === undefined ? `${alone} "$@"` : enter;
  const child = spawn("/bin/sh", ["-c", script, "sh", ...command], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LEAVE: leave, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    cwd: "/",
  });
  return watch(child, cgroup);
}

function watch(child: ChildProcess, cgroup: string | undefined): RunningInit {
  let text = "";
  const onText = (data: Buffer) => {
    text += data.toString();
  };
  child.stdout?.on("data", onText);
  child.stderr?.on("data", onText);
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  const pid = async () => (await firstChild(child)) ?? fail("init did not start", text);
  const kill = async () => {
    if (cgroup !== undefined && existsSync(`${cgroup}/cgroup.kill`)) writeFileSync(`${cgroup}/cgroup.kill`, "1");
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
    if (cgroup !== undefined) await removeCgroup(cgroup);
  };
  return {
    pid,
    children: async () => childrenOf(await pid()),
    cgroup,
    console: () => text,
    async waitForConsole(pattern, limitMs = 5000) {
      for (let match = text.match(pattern); ; match = text.match(pattern)) {
        if (match !== null) return match;
        const event = Promise.race([once(child.stderr ?? child, "data"), once(child.stdout ?? child, "data")]);
        const late = sleep(limitMs).then(() => fail(`the console did not match ${pattern} in ${limitMs} ms`, text));
        await Promise.race([
          event,
          late,
          exited
            .then(() => sleep(20))
            .then(() => {
              if (!pattern.test(text)) fail(`init ended before the console matched ${pattern}`, text);
            }),
        ]);
      }
    },
    exited,
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

function fail(what: string, console: string): never {
  throw new Error(`${what}; the console says: ${console.trim() || "nothing"}`);
}

/** The child that unshare forks; the shells before it fork nothing. */
async function firstChild(child: ChildProcess): Promise<number | undefined> {
  for (let attempt = 0; attempt < 1000 && child.exitCode === null && child.pid !== undefined; attempt++) {
    const [pid] = childrenOf(child.pid);
    if (pid !== undefined) return pid;
    await sleep(2);
  }
  return undefined;
}

/** Creates a cgroup in the unified hierarchy, wherever this machine has it mounted. */
function makeCgroup(name: string): string | undefined {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  const root = mounts.map((line) => line.split(" ")).find((fields) => fields[2] === "cgroup2")?.[1];
  if (root === undefined) return undefined;
  for (const old of readdirSync(root)) {
    // Of a test run that was killed; its processes died with it.
    const owner = old.match(/^guestd-test-(\d+)-/)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) tryRemove(join(root, old));
  }
  mkdirSync(join(root, name, "outside"), { recursive: true });
  return join(root, name);
}

function tryRemove(path: string): void {
  try {
    removeCgroupNow(path);
  } catch {
    // busy still, or removed by another run: the next one tries again
  }
}

function removeCgroupNow(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroupNow(join(path, entry.name));
  }
  rmdirSync(path);
}

async function removeCgroup(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return removeCgroupNow(path);
    } catch (error) {
      if (attempt === 200) throw error; // its processes are still being torn down
      await sleep(5);
    }
  }
}
