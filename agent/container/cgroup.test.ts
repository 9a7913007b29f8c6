import { beforeEach, describe, expect, test } from "vitest";
import type { Files } from "../kernel/files.ts";
import { applyResources, cgroupProcs, createCgroup, killCgroup, removeCgroup } from "./cgroup.ts";

const failure = (code: string, errno: number) => Object.assign(new Error(code), { code, errno: -errno });

/** A cgroup2 file system in memory, with the refusals that matter. */
class FakeCgroups {
  readonly texts = new Map<string, string>();
  readonly log: string[] = [];
  readonly refused = new Map<string, { code: string; errno: number }>();
  /** Directories that stay busy for so many removals. */
  readonly busy = new Map<string, number>();

  constructor(controllers: string) {
    this.#directory("/cg", controllers);
  }

  get directories(): string[] {
    return [...this.texts.keys()].filter((p) => p.endsWith("/cgroup.procs")).map((p) => p.slice(0, -13));
  }

  #directory(path: string, controllers: string): void {
    const files: Record<string, string> = {
      "cgroup.procs": "",
      "cgroup.controllers": controllers,
      "cgroup.subtree_control": "",
      "cgroup.events": "populated 0\nfrozen 0\n",
      "cgroup.kill": "",
      "cgroup.freeze": "0",
    };
    for (const name of controllers.split(" ")) {
      if (name === "memory") Object.assign(files, { "memory.max": "max", "memory.low": "0" });
      if (name === "pids") files["pids.max"] = "max";
      if (name === "cpu") Object.assign(files, { "cpu.weight": "100", "cpu.max": "max 100000" });
    }
    for (const [name, text] of Object.entries(files)) this.texts.set(`${path}/${name}`, text);
  }

  readonly files = {
    readText: (path: string) => {
      const text = this.texts.get(path);
      if (text === undefined) throw failure("ENOENT", 2);
      return text;
    },
    writeText: (path: string, value: string) => {
      this.log.push(`${path} ${value}`);
      const refusal = this.refused.get(`${path} ${value}`) ?? this.refused.get(path);
      if (refusal !== undefined) throw failure(refusal.code, refusal.errno);
      if (!this.texts.has(path)) throw failure("ENOENT", 2);
      if (path.endsWith("subtree_control")) {
        const names = value.split(" ").map((word) => word.slice(1));
        this.texts.set(path, [this.texts.get(path), ...names].join(" ").trim());
      } else this.texts.set(path, value);
    },
    exists: (path: string) => this.texts.has(path) || this.directories.includes(path),
    list: (path: string) => {
      if (!this.directories.includes(path)) throw failure("ENOENT", 2);
      const below = [...this.texts.keys()].filter((p) => p.startsWith(`${path}/`)).map((p) => p.slice(path.length + 1));
      return [...new Set(below.map((p) => p.split("/")[0] ?? ""))];
    },
    makeDirectory: (path: string) => {
      this.log.push(`mkdir ${path}`);
      const refusal = this.refused.get(path);
      if (refusal !== undefined) throw failure(refusal.code, refusal.errno);
      this.#directory(path, this.texts.get(`${path.slice(0, path.lastIndexOf("/"))}/cgroup.subtree_control`) ?? "");
    },
    removeDirectory: (path: string) => {
      this.log.push(`rmdir ${path}`);
      if (!this.directories.includes(path)) throw failure("ENOENT", 2);
      const left = this.busy.get(path) ?? 0;
      if (left > 0 || this.directories.some((p) => p.startsWith(`${path}/`))) {
        this.busy.set(path, left - 1);
        throw failure("EBUSY", 16);
      }
      for (const name of [...this.texts.keys()].filter((p) => p.startsWith(`${path}/`))) this.texts.delete(name);
    },
  } as unknown as Files;
}

let fake: FakeCgroups;
let files: Files;
beforeEach(() => {
  fake = new FakeCgroups("cpu memory pids");
  files = fake.files;
});

describe("create", () => {
  test("makes parents and hands all controllers down to the leaf", () => {
    expect(createCgroup(files, "/cg", "/pod/c1")).toBe("/cg/pod/c1");
    expect(fake.log).toEqual([
      "/cg/cgroup.subtree_control +cpu +memory +pids",
      "mkdir /cg/pod",
      "/cg/pod/cgroup.subtree_control +cpu +memory +pids",
      "mkdir /cg/pod/c1",
    ]);
    expect(fake.texts.get("/cg/pod/c1/cgroup.controllers")).toBe("cpu memory pids");
  });

  test("writes nothing to parents that hand down everything already", () => {
    createCgroup(files, "/cg", "/pod/c1");
    fake.log.length = 0;
    createCgroup(files, "/cg", "/pod/c2");
    expect(fake.log).toEqual(["mkdir /cg/pod/c2"]);
  });

  test("a controller that can't be handed down costs only itself", () => {
    const path = "/cg/cgroup.subtree_control";
    fake.refused.set(`${path} +cpu +memory +pids`, { code: "EINVAL", errno: 22 });
    fake.refused.set(`${path} +cpu`, { code: "EINVAL", errno: 22 });
    const directory = createCgroup(files, "/cg", "/c1");
    expect(fake.texts.get(`${directory}/cgroup.controllers`)).toBe("memory pids");
  });

  test("an empty cgroup that exists is taken over, one with processes is refused", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    expect(createCgroup(files, "/cg", "/c1")).toBe(directory);
    fake.texts.set(`${directory}/cgroup.events`, "populated 1\nfrozen 0\n");
    expect(() => createCgroup(files, "/cg", "/c1")).toThrow("create cgroup /c1: it has processes already");
    expect(fake.directories).toContain(directory);
  });

  test("a failure half-way leaves nothing behind and says what failed", () => {
    fake.refused.set("/cg/pod/c1", { code: "ENOSPC", errno: 28 });
    expect(() => createCgroup(files, "/cg", "/pod/c1")).toThrow("mkdir /cg/pod/c1: ENOSPC");
    expect(fake.directories).toEqual(["/cg"]);
  });
});

describe("apply", () => {
  test("writes the limits in order", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    fake.log.length = 0;
    applyResources(files, directory, { memory: { limit: 1000 }, cpu: { shares: 1024 }, pids: { limit: -1 } });
    expect(fake.log).toEqual(["/cg/c1/cpu.weight 100", "/cg/c1/memory.max 1000", "/cg/c1/pids.max max"]);
  });

  test("a controller that isn't there is named in one line", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    const apply = () => applyResources(files, directory, { cpu: { cpus: "0" } });
    expect(apply).toThrow(
      "set cpuset.cpus of cgroup /cg/c1: the cpuset controller is not available there (it has: cpu memory pids)",
    );
    expect(apply).toThrow(expect.objectContaining({ kind: "failed-precondition" }));
  });

  test("a kernel without swap accounting is told apart from one without the controller", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    applyResources(files, directory, { memory: { limit: 1000, swap: 1000 } });
    expect(() => applyResources(files, directory, { memory: { limit: 1000, swap: 2000 } })).toThrow(
      "set memory.swap.max of cgroup /cg/c1: the guest's kernel has no such file",
    );
  });

  test("a value that the kernel refuses is named with its file", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    fake.refused.set("/cg/c1/cpu.max", { code: "EINVAL", errno: 22 });
    expect(() => applyResources(files, directory, { cpu: { quota: 1 } })).toThrow(
      'write /cg/c1/cpu.max "1 100000": EINVAL (invalid argument)',
    );
  });
});

describe("processes", () => {
  test("those of nested cgroups are listed too, a threaded one is passed over", () => {
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

  test("without cgroup.kill they are frozen first", () => {
    createCgroup(files, "/cg", "/c1");
    fake.texts.delete("/cg/c1/cgroup.kill");
    fake.log.length = 0;
    killCgroup(files, "/cg/c1");
    expect(fake.log).toEqual(["/cg/c1/cgroup.freeze 1", "/cg/c1/cgroup.freeze 0"]);
  });
});

describe("remove", () => {
  test("goes bottom-up and takes empty parents along", async () => {
    createCgroup(files, "/cg", "/pod/c1/x/y");
    createCgroup(files, "/cg", "/pod/c2");
    await removeCgroup(files, "/cg", "/cg/pod/c1");
    expect(fake.directories).toEqual(["/cg", "/cg/pod", "/cg/pod/c2"]);
    await removeCgroup(files, "/cg", "/cg/pod/c2");
    expect(fake.directories).toEqual(["/cg"]);
  });

  test("a busy one is tried again", async () => {
    createCgroup(files, "/cg", "/c1");
    fake.busy.set("/cg/c1", 3);
    fake.log.length = 0;
    await removeCgroup(files, "/cg", "/cg/c1");
    expect(fake.log).toHaveLength(4);
  });

  test("one that stays busy is an error that names who is in it", async () => {
    createCgroup(files, "/cg", "/c1");
    fake.busy.set("/cg/c1", Infinity);
    fake.texts.set("/cg/c1/cgroup.procs", "12\n");
    await expect(removeCgroup(files, "/cg", "/cg/c1", 10)).rejects.toThrow(
      "rmdir /cg/c1: EBUSY (busy for 10 ms; still in it: 12)",
    );
  });

  test("one that is gone is fine", async () => {
    await removeCgroup(files, "/cg", "/cg/c1");
  });
});
