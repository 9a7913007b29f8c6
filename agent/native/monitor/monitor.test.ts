import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { isRoot } from "../../../lib/is-root.ts";
import { startedAt } from "../../../lib/process-owner.ts";
import { buildMonitor } from "../build.ts";

let program: string;
beforeAll(() => {
  program = buildMonitor({ sanitize: true });
});

const PATIENT = { timeout: 50_000 };

/** Runs a script of sh under the monitor; with `parent`, that command starts the monitor. */
function start(script: string, parent: readonly string[] = [], options: readonly string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), "monitor-"));
  const place = join(directory, "job");
  const [command = "", ...args] = [...parent, program, ...options, place, join(directory, "log"), "sh", "-c", script];
  const child: ChildProcess = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(directory, { recursive: true });
  });
  const read = (name: string) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), "utf8") : "");
  return { child, directory, read, ended: once(child, "exit") };
}

test.each([
  ["exit status", "echo out; echo err >&2; exit 7", "exit 7\n"],
  ["signal", "echo out; echo err >&2; kill -9 $$", "signal 9\n"],
])("a monitor keeps what a program prints, and its %s", async (_, script, end) => {
  const { ended, read } = start(script);
  expect(await ended).toEqual([0, null]);
  expect([read("log"), read("job.err"), read("job.end")]).toEqual(["out\n", "err\n", end]);
});

test("a program that doesn't exist ends with 127, as in a shell", async () => {
  const directory = mkdtempSync(join(tmpdir(), "monitor-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const child = spawn(program, [join(directory, "job"), join(directory, "log"), "/nowhere"]);
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(readFileSync(join(directory, "job.end"), "utf8")).toBe("exit 127\n");
  expect(readFileSync(join(directory, "job.err"), "utf8")).toBe("exec /nowhere: No such file or directory\n");
});

test.each([
  ["SIGTERM", "exit 3"],
  ["SIGQUIT", "signal 9"],
] as const)("%s ends the program, and the monitor says how", async (signal, end) => {
  const { child, ended, read } = start("trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done");
  await expect.poll(() => read("log"), PATIENT).toBe("up\n");
  child.kill(signal);
  await ended;
  expect(read("job.end")).toBe(`${end}\n`);
});

test("a program ends with its monitor", async () => {
  const { child, read } = start("echo $$; exec sleep 1000");
  await expect.poll(() => read("log"), PATIENT).toMatch(/^\d+\n$/);
  const pid = Number(read("log"));
  expect(Number(read("job.pid"))).toBe(pid);
  child.kill("SIGKILL");
  await expect.poll(() => startedAt(pid), PATIENT).toBeUndefined();
  expect(read("job.end")).toBe("");
});

test.each([false, true])("a monitor and its program outlive its parent only if released: %s", async (isReleased) => {
  // The shell in between is the parent.
  const parent = ["sh", "-c", '"$@" & echo $! >"$2.monitor"; wait "$!"', "sh"];
  const { child, read, ended } = start("echo up; exec sleep 1000", parent);
  await expect.poll(() => [read("log"), read("job.monitor")], PATIENT).toEqual(["up\n", expect.stringMatching(/\d\n/)]);
  const [monitor, job] = [Number(read("job.monitor")), Number(read("job.pid"))];
  const running = () => [monitor, job].filter((pid) => startedAt(pid) !== undefined);
  if (isReleased) process.kill(monitor, "SIGUSR1");
  await expect.poll(() => read("job.released"), PATIENT).toBe(isReleased ? "released\n" : "");
  child.kill("SIGKILL");
  if (isReleased) {
    await ended;
    expect(running()).toEqual([monitor, job]);
    process.kill(monitor, "SIGQUIT");
  }
  await expect.poll(running, PATIENT).toEqual([]);
  expect(read("job.end")).toBe(isReleased ? "signal 9\n" : "");
});

test("a program runs in the cgroup, and opens no more files than given", async () => {
  const directory = mkdtempSync(join(tmpdir(), "monitor-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "cgroup.procs"), "");
  const read = (name: string) => readFileSync(join(directory, name), "utf8");
  const run = async (...limits: string[]) => {
    const argv = [...limits, join(directory, "job"), join(directory, "log"), "sh", "-c", "ulimit -Hn"];
    await once(spawn(program, argv), "exit");
    return read("job.end") + read("job.err");
  };
  expect(await run("-c", directory, "-f", "64")).toBe("exit 0\n");
  expect([read("cgroup.procs"), read("log")]).toEqual(["0", "64\n"]);
  expect(await run("-c", "/nowhere")).toBe("exit 126\nmonitor: join the cgroup /nowhere: No such file or directory\n");
});

test("a program has at most the given capabilities", async () => {
  const { ended, read } = start("grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status", [], ["-k", "402"]);
  await ended;
  const found = Object.fromEntries(
    read("log")
      .trim()
      .split("\n")
      .map((line) => line.split(":\t")),
  );
  const kept = isRoot() ? "0000000000000402" : "0000000000000000";
  const none = "0000000000000000";
  expect({ ...found, CapBnd: isRoot() ? found["CapBnd"] : kept }).toEqual({
    ...{ CapInh: none, CapAmb: none },
    ...{ CapPrm: kept, CapEff: kept, CapBnd: kept },
  });
});

test("output is bounded: a full file is renamed, and replaces the one before", async () => {
  const { ended, read, directory } = start("head -c 30000000 /dev/zero; echo last; head -c 300000 /dev/zero >&2");
  await ended;
  expect(read("log").endsWith("last\n")).toBe(true);
  const size = (name: string) => statSync(join(directory, name)).size;
  const [most, chunk] = [8 << 20, 64 << 10];
  for (const name of ["log", "log.1"]) expect(size(name)).toBeLessThan(most + chunk);
  expect(size("log.1")).toBeGreaterThanOrEqual(most);
  for (const name of ["job.err", "job.err.1"]) expect(size(name)).toBeLessThanOrEqual(2 * chunk);
  expect(readdirSync(directory).toSorted()).toEqual(["job.end", "job.err", "job.err.1", "job.pid", "log", "log.1"]);
});

test("a process that a program leaves behind doesn't keep its monitor", async () => {
  const { ended, read } = start("(trap '' TERM; exec sleep 1000) & echo $!");
  await ended;
  process.kill(Number(read("log")), "SIGKILL");
  expect(read("job.end")).toBe("exit 0\n");
});

test("a link in place of a file is refused, and nothing runs", async () => {
  const directory = mkdtempSync(join(tmpdir(), "monitor-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, "other"), "kept");
  await once(spawn("ln", ["-s", join(directory, "other"), join(directory, "log")]), "exit");
  const child = spawn(program, [join(directory, "job"), join(directory, "log"), "sh", "-c", "echo overwritten"]);
  expect(await once(child, "exit")).toEqual([126, null]);
  expect(readFileSync(join(directory, "other"), "utf8")).toBe("kept");
});
