import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Prints how many descriptors a file watch and a child process add to libuv's epoll set. */
const script = (before: string) => `
  import { spawn } from "node:child_process";
  import { readdirSync, readFileSync, readlinkSync, watch } from "node:fs";
  import { setImmediate as turn } from "node:timers/promises";
  const isSet = (fd) => {
    try { return readlinkSync("/proc/self/fd/" + fd) === "anon_inode:[eventpoll]"; } catch { return false; }
  };
  const entries = (fd) => readFileSync("/proc/self/fdinfo/" + fd, "utf8").match(/^tfd:/gm)?.length ?? 0;
  const watched = () => readdirSync("/proc/self/fd").filter(isSet).reduce((sum, fd) => sum + entries(fd), 0);
  ${before}
  await turn(); await turn();
  const first = watched();
  const watcher = watch("/tmp", () => {});
  spawn("/bin/true", { stdio: "ignore" }).on("exit", () => { console.log(watched() - first); watcher.close(); });`;

function run(before: string): string {
  const args = ["--input-type=module", "-e", script(before)];
  return spawnSync(process.execPath, args, { encoding: "utf8" }).stdout.trim();
}

test("child processes and file watches add nothing to libuv's epoll set after openLoopWatches", () => {
  const url = JSON.stringify(join(import.meta.dirname, "loop-watches.ts"));
  expect(run("")).toBe("1");
  expect(run(`const { openLoopWatches } = await import(${url}); openLoopWatches();`)).toBe("0");
});
