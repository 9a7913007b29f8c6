import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { OPEN_WORK, WORK } from "../clean-up/work-directory.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";

const repository = join(import.meta.dirname, "../..");

interface Found {
  /** Process ids with their start times, to tell a reused id apart. */
  readonly processes: ReadonlyMap<number, string>;
  /** The run's own directory for temporary files. */
  readonly temporary: string;
}

describeInNamespaces("a test run that is interrupted", () => {
  it.concurrent.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
    "by %s leaves no process, file, mount or cgroup behind",
    async (signal) => {
      const vitest = join(repository, "node_modules/.bin/vitest");
      const run = spawn(vitest, ["run", "--project", "init", "test/namespaces/orphans.test.ts"], {
        cwd: repository,
        detached: true,
        stdio: "ignore",
      });
      const { processes, temporary } = await untilAtWork(run);
      run.kill(signal);
      const left = () => leftOf(processes, temporary);
      await expect.poll(left, { interval: 200 }).toEqual([]);
    },
    120_000,
  );
});

/** Waits until the run's agent has a container. */
async function untilAtWork(run: ChildProcess): Promise<Found> {
  const limit = performance.now() + 50_000;
  while (performance.now() < limit) {
    const processes = new Map<number, string>();
    collect(run.pid ?? -1, processes);
    const lines = [...processes.keys()].map((pid) => read(`/proc/${pid}/cmdline`));
    const janitor = lines.find((line) => line.includes("janitor.sh"))?.split("\0") ?? [];
    if (lines.some((line) => line.startsWith("sleep\0")) && janitor[2] !== undefined) {
      return { processes, temporary: janitor[2] };
    }
    await sleep(50);
  }
  run.kill("SIGKILL");
  throw new Error("the run did not start its first container within 50 s");
}

function collect(pid: number, into: Map<number, string>): void {
  const start = startOf(pid);
  if (start === undefined || into.has(pid)) return;
  into.set(pid, start);
  for (const task of list(`/proc/${pid}/task`)) {
    for (const child of read(`/proc/${pid}/task/${task}/children`).split(" ").filter(Boolean))
      collect(Number(child), into);
  }
}

function leftOf(processes: ReadonlyMap<number, string>, temporary: string): string[] {
  const alive = [...processes].filter(([pid, start]) => startOf(pid) === start).map(([pid]) => `process ${pid}`);
  const mounts = read("/proc/self/mounts").split("\n");
  const root = mounts.map((line) => line.split(" ")).find((fields) => fields[2] === "cgroup2")?.[1];
  const owned = (name: string) => [...processes.keys()].some((pid) => name.includes(`-${pid}-`));
  const cgroups = root === undefined ? [] : list(root).filter((name) => name.startsWith("guestd-test-") && owned(name));
  return [
    ...alive,
    ...cgroups,
    ...[...list(WORK), ...list(OPEN_WORK)].filter(owned),
    ...(existsSync(temporary) ? [temporary] : []),
    ...mounts.filter((line) => line.includes(temporary)),
  ];
}

/** Returns a process's start time, or undefined if it is gone or a zombie. */
function startOf(pid: number): string | undefined {
  const [state, ...fields] = read(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, "")
    .split(" ");
  return state === "" || state === "Z" ? undefined : fields[18];
}

function list(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

/** Returns a file's content, or "" if it is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
