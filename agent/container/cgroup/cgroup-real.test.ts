import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { realFiles } from "../../kernel/files.ts";
import { cgroupProcs, createCgroup, killCgroup, removeCgroup } from "./cgroup.ts";
import { readCgroupStats } from "./cgroup-stats.ts";
import { watchOom } from "./oom-watch.ts";
import { writableCgroupRoot } from "./testing/test-cgroups.ts";

const found = writableCgroupRoot();

describe.skipIf(found === undefined)("a real cgroup2 (needs one that this user may write to)", () => {
  // Uses its own root below the real one, so that the machine's subtree_control stays unchanged.
  const root = `${found}/guestd-test-${process.pid}`;
  const path = "/pod/c1";
  const children: ChildProcess[] = [];
  let directory = "";

  beforeEach(() => {
    mkdirSync(root, { recursive: true });
    directory = createCgroup(realFiles, root, path);
  });
  afterEach(async () => {
    if (existsSync(directory)) killCgroup(realFiles, directory);
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await removeCgroup(realFiles, root, directory);
    await removeCgroup(realFiles, root, root);
  });

  const sleeper = (into: string) => processIn(into, "sleep 60");

  function processIn(into: string, command: string): number {
    const child = spawn("/bin/sh", ["-c", `exec ${command}`], { stdio: "ignore" });
    children.push(child);
    writeFileSync(`${into}/cgroup.procs`, String(child.pid));
    return child.pid ?? 0;
  }

  test("lists and kills the processes of nested cgroups, and is removed with them and its empty parent", async () => {
    const nested = `${directory}/x/y`;
    mkdirSync(nested, { recursive: true });
    const pids = [sleeper(directory), sleeper(nested)];
    expect(cgroupProcs(realFiles, directory).sort()).toEqual(pids.sort());
    expect(() => createCgroup(realFiles, root, path)).toThrow("it has processes already");
    killCgroup(realFiles, directory);
    await removeCgroup(realFiles, root, directory);
    expect([existsSync(root), existsSync(`${root}/pod`)]).toEqual([true, false]);
  });

  test("is not removed while a process lives in it, and the error names that process", async () => {
    const pid = sleeper(directory);
    await expect(removeCgroup(realFiles, root, directory, 20)).rejects.toThrow(`still in it: ${pid}`);
  });

  test("delivers the kernel's notification to the listener", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const watch = watchOom(realFiles, directory, resolve, { file: "cgroup.events", key: "populated" });
    sleeper(directory);
    expect(await promise).toBe(1);
    expect(watch.total).toBe(1);
    watch.close();
  });

  test("may be removed while a watch on it is open", async () => {
    const watch = watchOom(realFiles, directory, () => {}, { file: "cgroup.events", key: "populated" });
    await removeCgroup(realFiles, root, directory);
    watch.check();
    watch.close();
  });

  test("reports the CPU time that its processes used", async () => {
    const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : undefined);
    const usage = () => readCgroupStats(read, directory).cpu?.usage;
    expect(usage()).toBe(0);
    processIn(directory, "cat /dev/zero");
    await expect.poll(usage).toBeGreaterThan(0);
  });
});
