import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { type Files, realFiles } from "../../kernel/files.ts";
import { openDescriptors } from "../../kernel/testing/open-descriptors.ts";
import { cgroupProcs, createCgroup, killCgroup, removeCgroup } from "./cgroup.ts";
import { FakeCgroups } from "./testing/test-cgroups.ts";

let fake: FakeCgroups;
let files: Files;
beforeEach(() => {
  fake = new FakeCgroups("cpu memory pids");
  files = fake.files;
});

describe("creating a cgroup", () => {
  test("creates its parents and delegates all controllers down to the leaf", () => {
    expect(createCgroup(files, "/cg", "/pod/c1")).toBe("/cg/pod/c1");
    expect(fake.log).toEqual([
      "/cg/cgroup.subtree_control +cpu +memory +pids",
      "mkdir /cg/pod",
      "/cg/pod/cgroup.subtree_control +cpu +memory +pids",
      "mkdir /cg/pod/c1",
    ]);
    expect(fake.texts.get("/cg/pod/c1/cgroup.controllers")).toBe("cpu memory pids");
  });

  test("writes nothing to parents that already delegate everything", () => {
    createCgroup(files, "/cg", "/pod/c1");
    fake.log.length = 0;
    createCgroup(files, "/cg", "/pod/c2");
    expect(fake.log).toEqual(["mkdir /cg/pod/c2"]);
  });

  test("skips only the controller that can't be delegated", () => {
    const path = "/cg/cgroup.subtree_control";
    fake.refused.set(`${path} +cpu +memory +pids`, { code: "EINVAL", errno: 22 });
    fake.refused.set(`${path} +cpu`, { code: "EINVAL", errno: 22 });
    const directory = createCgroup(files, "/cg", "/c1");
    expect(fake.texts.get(`${directory}/cgroup.controllers`)).toBe("memory pids");
  });

  test("reuses an existing empty cgroup and refuses one with processes", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    expect(createCgroup(files, "/cg", "/c1")).toBe(directory);
    fake.texts.set(`${directory}/cgroup.events`, "populated 1\nfrozen 0\n");
    const message = "create cgroup /c1: it has processes already; use another cgroupsPath";
    const refused = expect.objectContaining({ kind: "already-exists", message });
    expect(() => createCgroup(files, "/cg", "/c1")).toThrow(refused);
    expect(fake.directories).toContain(directory);
  });

  test("leaves nothing behind after a failure halfway, and names what failed", () => {
    fake.refused.set("/cg/pod/c1", { code: "ENOSPC", errno: 28 });
    expect(() => createCgroup(files, "/cg", "/pod/c1")).toThrow("mkdir /cg/pod/c1: ENOSPC");
    expect(fake.directories).toEqual(["/cg"]);
  });
});

describe("the processes of a cgroup", () => {
  test("include those of nested cgroups; a threaded cgroup is skipped", () => {
    createCgroup(files, "/cg", "/c1/a.service");
    fake.texts.set("/cg/c1/cgroup.procs", "12\n13\n");
    fake.texts.set("/cg/c1/a.service/cgroup.procs", "14\n");
    expect(cgroupProcs(files, "/cg/c1")).toEqual([12, 13, 14]);
    expect(cgroupProcs(files, "/cg/gone")).toEqual([]);
  });

  test("are killed by one write", () => {
    createCgroup(files, "/cg", "/c1");
    fake.log.length = 0;
    killCgroup(files, "/cg/c1");
    expect(fake.log).toEqual(["/cg/c1/cgroup.kill 1"]);
    killCgroup(files, "/cg/gone");
  });

  test("are frozen before they are killed if cgroup.kill is missing", () => {
    createCgroup(files, "/cg", "/c1");
    fake.texts.delete("/cg/c1/cgroup.kill");
    fake.log.length = 0;
    killCgroup(files, "/cg/c1");
    expect(fake.log).toEqual(["/cg/c1/cgroup.kill 1", "/cg/c1/cgroup.freeze 1", "/cg/c1/cgroup.freeze 0"]);
  });
});

test("processes are killed one by one if cgroup.kill is missing, except those outside of the pid namespace", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  createCgroup(files, "/cg", "/c1");
  fake.texts.delete("/cg/c1/cgroup.kill");
  fake.texts.set("/cg/c1/cgroup.procs", `0\n${child.pid}\n`);
  killCgroup(files, "/cg/c1");
  const [, signal] = (await once(child, "close")) as [null, string];
  expect(signal).toBe("SIGKILL");
});

describe("removing a cgroup", () => {
  test("works for cgroups nested more deeply than a path can name", async () => {
    const directory = mkdtempSync(join(tmpdir(), "deep-cgroup-"));
    const name = "n".repeat(200);
    let depth = 0;
    for (let fd = openSync(directory, "r"); ; depth++) {
      const below = `/proc/self/fd/${fd}/${name}`;
      if (depth < 25) mkdirSync(below);
      const next = depth < 25 ? openSync(below, "r") : -1;
      closeSync(fd);
      if (next < 0) break;
      fd = next;
    }
    const before = openDescriptors();
    const plain: Files = {
      ...realFiles,
      exists: (path) => realFiles.exists(path.replace(/\/cgroup\.procs$/, "")),
    };
    await removeCgroup(plain, tmpdir(), directory, 0);
    expect([existsSync(directory), openDescriptors()]).toEqual([false, before]);
  });

  test("works from the bottom up and removes parents that are then empty", async () => {
    createCgroup(files, "/cg", "/pod/c1/x/y");
    createCgroup(files, "/cg", "/pod/c2");
    await removeCgroup(files, "/cg", "/cg/pod/c1");
    expect(fake.directories).toEqual(["/cg", "/cg/pod", "/cg/pod/c2"]);
    await removeCgroup(files, "/cg", "/cg/pod/c2");
    expect(fake.directories).toEqual(["/cg"]);
  });

  test("retries a busy cgroup", async () => {
    createCgroup(files, "/cg", "/c1");
    fake.busy.set("/cg/c1", 3);
    fake.log.length = 0;
    await removeCgroup(files, "/cg", "/cg/c1");
    expect(fake.log).toHaveLength(4);
  });

  test("fails for a cgroup that stays busy, and names the processes in it", async () => {
    createCgroup(files, "/cg", "/c1");
    fake.busy.set("/cg/c1", Infinity);
    fake.texts.set("/cg/c1/cgroup.procs", "12\n");
    await expect(removeCgroup(files, "/cg", "/cg/c1", 10)).rejects.toThrow(
      "rmdir /cg/c1: EBUSY (busy for 10 ms; still in it: 12)",
    );
  });

  test("yields to the event loop while it removes thousands of cgroups", async () => {
    const names = Array.from({ length: 3000 }, (_, index) => `own.${index}`);
    const left = new Set(["/cg/c1", ...names.map((name) => `/cg/c1/${name}`)]);
    const many = {
      ...files,
      exists: (path: string) => left.has(path) || left.has(path.replace(/\/cgroup\.procs$/, "")),
      list: (path: string) => (path === "/cg/c1" ? ["cgroup.procs", ...names] : []),
      removeDirectory: (path: string) => {
        if (path === "/cg/c1" && left.size > 1) throw Object.assign(new Error("EBUSY"), { errno: -16 });
        left.delete(path);
      },
    };
    let turns = 0;
    const count = () => {
      turns += 1;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    await removeCgroup(many, "/cg", "/cg/c1");
    clearImmediate(timer);
    expect(left.size).toBe(0);
    expect(turns).toBeGreaterThan(40);
  });

  test("succeeds if the cgroup is already gone", async () => {
    await removeCgroup(files, "/cg", "/cg/c1");
  });
});
