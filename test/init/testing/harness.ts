import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeOwnCgroup, removeAll } from "../../../host/conformance/target/agent-cgroup.ts";
import { isRoot } from "../../../lib/is-root.ts";
import { childrenOf } from "./children-of.ts";

const repository = join(import.meta.dirname, "../../..");
/** Limit for what never comes, as of polls. */
const LIMIT_MS = 50_000;

export interface InitOptions {
  /** Default: build/native/init. */
  readonly init?: string | undefined;
  /**
   * Program (absolute path) and arguments of the agent. /run, /tmp and /dev are new and empty in its namespaces, so its
   * files and sockets must be elsewhere, such as in the repository's build folder.
   */
  readonly agentCommand: readonly string[];
  /** Init's environment; the agent sees the GUESTD_* variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running init in its own namespaces. */
export interface RunningInit extends AsyncDisposable {
  /** Init's pid on this machine; waits until init exists. */
  pid(): Promise<number>;
  /** Host pids of the direct children of init: the agent and launched processes. */
  children(): Promise<number[]>;
  /** Directory of the cgroup at the root of init's cgroup namespace; undefined if this machine has no cgroup2. */
  readonly cgroup: string | undefined;
  /** Returns the output of init and the agent (descriptors 1 and 2) so far. */
  console(): string;
  /** Waits until the console's text matches so many times; returns the last one. After `limitMs`, throws an error with the text. */
  waitForConsole(pattern: RegExp, limitMs?: number, times?: number): Promise<RegExpMatchArray>;
  /** Resolves with the exit code or signal of the namespace's first process. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Kills everything in the namespaces, then removes the cgroups. */
  kill(): Promise<void>;
}

/** Returns why tests that need namespaces can't run on this machine; undefined if they can. */
export function whyNoNamespaces(): string | undefined {
  if (!isRoot()) return "not root: init needs namespaces, mounts and cgroups; run the tests as root";
  const missing = ["unshare", "setpriv"].find((name) => !existsSync(`/usr/bin/${name}`));
  if (missing !== undefined) return `no /usr/bin/${missing}: apt-get install util-linux`;
  const covered = ["/tmp", "/run", "/dev"].find((path) => repository.startsWith(`${path}/`));
  if (covered !== undefined) return `the repository is below ${covered}, which init covers: move it elsewhere`;
  return undefined;
}

let started = 0;

/** Starts init as PID 1 of new pid, mount, uts, ipc, net and cgroup namespaces, which look like a guest to an agent. */
export function startInit(options: InitOptions): RunningInit {
  const cgroup = makeOwnCgroup("guestd-test", ++started);
  const init = resolve(options.init ?? join(repository, "build/native/init"));
  const namespaces = ["--pid", "--mount", "--uts", "--ipc", "--net", "--propagation", "private"];
  const command = ["unshare", "--fork", "--kill-child=SIGKILL", ...namespaces, init, "--", ...options.agentCommand];
  // The namespace is rooted in the cgroup, then unshare's waiting parent leaves it, because only a cgroup without
  // processes can delegate controllers.
  const alone = "exec setpriv --pdeathsig KILL unshare --cgroup"; // dies with a test run that is killed
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
    async waitForConsole(pattern, limitMs = LIMIT_MS, times = 1) {
      const all = new RegExp(pattern, `${pattern.flags}g`);
      const last = () => [...text.matchAll(all)][times - 1];
      for (let match = last(); ; match = last()) {
        if (match !== undefined) return match;
        const done = new AbortController();
        const until = { signal: done.signal };
        const late = sleep(limitMs, undefined, until).then(() =>
          fail(`the console did not match ${pattern} in ${limitMs} ms`, text),
        );
        await Promise.race([
          once(child.stderr ?? child, "data", until),
          once(child.stdout ?? child, "data", until),
          late,
          exited
            .then(() => sleep(20))
            .then(() => {
              if (last() === undefined) fail(`init ended before the console matched ${pattern}`, text);
            }),
        ]).finally(() => done.abort());
      }
    },
    exited,
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

function fail(what: string, console: string): never {
  throw new Error(`${what}; its console: ${console.trim() || "nothing"}`);
}

/** Returns the pid of unshare's child; the shells before it fork nothing. */
async function firstChild(child: ChildProcess): Promise<number | undefined> {
  const limit = performance.now() + LIMIT_MS;
  while (performance.now() < limit && child.exitCode === null && child.pid !== undefined) {
    const [pid] = childrenOf(child.pid);
    if (pid !== undefined) return pid;
    await sleep(2);
  }
  return undefined;
}

async function removeCgroup(path: string): Promise<void> {
  const limit = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      return removeAll(path);
    } catch (error) {
      if (performance.now() > limit) throw error; // its processes haven't all ended
      await sleep(5);
    }
  }
}
