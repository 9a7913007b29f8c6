import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeWorkDirectory } from "../../clean-up/work-directory.ts";
import { childrenOf } from "../../init/testing/children-of.ts";
import { builtAgent } from "../../testing/built-agent.ts";

const repository = join(import.meta.dirname, "../../..");
const init = join(repository, "build/native/init");
const { command } = await builtAgent();

/** Directory and cgroup for agents that run one after the other as services of this machine, not as PID 1. */
export interface ServicePlace extends AsyncDisposable {
  readonly directory: string;
  /**
   * Starts a service. `options` are init's. `before` are words before the agent's command, such as `/usr/bin/env
   * NAME=VALUE`.
   */
  start(env: Readonly<Record<string, string>>, options?: readonly string[], before?: readonly string[]): RunningService;
}

export interface RunningService {
  /** Pid of init. */
  readonly pid: number;
  console(): string;
  listening(times?: number): Promise<void>;
  children(): number[];
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

const REAPER = ["sh", "-c", "while :; do sleep 1000 & wait; done"];

let places = 0;

/**
 * Creates a place with its own mount, host name, cgroup and pid namespaces, so that nothing in it affects this machine.
 * All its services share the pid namespace, in which init is not PID 1, as under systemd.
 */
export function makeServicePlace(): ServicePlace {
  const directory = makeWorkDirectory("service");
  const root = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2")?.[1];
  if (root === undefined) throw new Error("no cgroup2 is mounted on this machine");
  const cgroup = join(root, `guestd-test-${process.pid}-service-${++places}`);
  mkdirSync(join(cgroup, "unit"), { recursive: true });
  mkdirSync(join(directory, "run"));
  const services: ChildProcess[] = [];
  // PID 1 of the place reaps orphans; all other processes die with it.
  const reaper = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", ...REAPER], {
    stdio: "ignore",
  });
  // As under systemd: the unit has its own cgroup, and cgroup v2 is mounted at its usual path.
  const processes = `/proc/${reaper.pid}/ns/pid_for_children`;
  const script = `echo 0 > ${cgroup}/cgroup.procs
    while theirs=$(readlink ${processes}); [ "\${theirs:-$(readlink /proc/self/ns/pid)}" = "$(readlink /proc/self/ns/pid)" ]; do
      sleep 0.01
    done
    exec nsenter --pid=${processes} unshare --cgroup --mount --uts --ipc --propagation private sh -c '
    mount -t proc proc /proc && mount --bind ${directory}/run /run && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
    echo 0 > /sys/fs/cgroup/unit/cgroup.procs && exec setpriv --pdeathsig KILL "$0" "$@"' "$@"`;
  return {
    directory,
    start(env, options = [], before = []) {
      handOnNothing(cgroup);
      const agent = [...before, ...command];
      const child = spawn("/bin/sh", ["-c", script, "sh", init, ...options, "--", ...agent], {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env },
        stdio: ["ignore", "pipe", "pipe"],
        cwd: "/",
      });
      services.push(child);
      return watch(child);
    },
    async [Symbol.asyncDispose]() {
      writeFileSync(`${cgroup}/cgroup.kill`, "1");
      if (reaper.exitCode === null) reaper.kill("SIGKILL");
      await Promise.all([reaper, ...services].map((it) => (it.exitCode ?? it.signalCode) !== null || once(it, "exit")));
      for (let tries = 0; existsSync(cgroup) && tries < 200; tries++) {
        removeCgroups(cgroup);
        await sleep(5);
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function watch(child: ChildProcess): RunningService {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data: Buffer) => (text += data.toString()));
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  return {
    // nsenter's only child; nsenter waits for it and exits with the same status.
    get pid() {
      return childrenOf(child.pid)[0] ?? fail("no init is running", text);
    },
    console: () => text,
    exited,
    children() {
      return childrenOf(this.pid);
    },
    async listening(times = 1) {
      for (const end = Date.now() + 20_000; text.split("guestd: listening").length <= times; await sleep(10)) {
        if (Date.now() > end || child.exitCode !== null) throw new Error(`the agent did not listen: ${text}`);
      }
    },
  };
}

function fail(what: string, console: string): never {
  throw new Error(`${what}; the console says: ${console}`);
}

/**
 * Disables the controllers that an earlier service enabled for child cgroups, because such a cgroup accepts no process.
 */
function handOnNothing(cgroup: string): void {
  const file = join(cgroup, "cgroup.subtree_control");
  for (const name of readFileSync(file, "utf8").split(/\s+/).filter(Boolean)) writeFileSync(file, `-${name}`);
}

function removeCgroups(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) removeCgroups(join(path, entry.name));
    }
    rmdirSync(path);
  } catch {
    // Its processes are still exiting: the next try succeeds.
  }
}
