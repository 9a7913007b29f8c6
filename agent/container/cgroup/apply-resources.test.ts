import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Files } from "../../kernel/files.ts";
import { applyWrites, updateResources } from "./apply-resources.ts";
import { createCgroup } from "./cgroup.ts";
import { cgroupNotices } from "./cgroup-notices.ts";
import { resourceWrites } from "./cgroup-resources.ts";
import type { ResourcesSpec } from "./resources-spec.ts";
import { FakeCgroups } from "./testing/test-cgroups.ts";

let fake: FakeCgroups;
let files: Files;
beforeEach(() => {
  fake = new FakeCgroups("cpu memory pids io");
  files = fake.files;
});

const applyResources = (all: Files, directory: string, resources: ResourcesSpec) =>
  applyWrites(all, directory, resourceWrites(resources));

describe("applying resources to a new cgroup", () => {
  test("writes the limits in order", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    fake.log.length = 0;
    applyResources(files, directory, { memory: { limit: 1000 }, cpu: { shares: 1024 }, pids: { limit: -1 } });
    expect(fake.log).toEqual(["/cg/c1/cpu.weight 100", "/cg/c1/memory.max 1000", "/cg/c1/pids.max max"]);
  });

  test("names a missing controller in one line", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    const apply = () => applyResources(files, directory, { cpu: { cpus: "0" } });
    expect(apply).toThrow(
      "set cpuset.cpus of cgroup /cg/c1: the cpuset controller is not available there (it has: cpu memory pids io)",
    );
    expect(apply).toThrow(expect.objectContaining({ kind: "failed-precondition" }));
  });

  test("distinguishes a kernel without swap accounting from a missing controller", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    applyResources(files, directory, { memory: { limit: 1000, swap: 1000 } });
    expect(() => applyResources(files, directory, { memory: { limit: 1000, swap: 2000 } })).toThrow(
      "set memory.swap.max of cgroup /cg/c1: the guest's kernel has no such file",
    );
  });

  test("names the file and the value that the kernel refuses", () => {
    const directory = createCgroup(files, "/cg", "/c1");
    fake.refused.set("/cg/c1/cpu.max", { code: "EINVAL", errno: 22 });
    expect(() => applyResources(files, directory, { cpu: { quota: 1 } })).toThrow(
      'write /cg/c1/cpu.max "1 100000": EINVAL (invalid argument), from linux.resources.cpu.quota',
    );
  });
});

test("a block I/O weight goes to BFQ if the kernel has it, otherwise to io.weight", () => {
  const directory = createCgroup(files, "/cg", "/c1");
  fake.texts.set("/cg/c1/io.weight", "default 100");
  applyResources(files, directory, { blockIO: { weight: 1000 } });
  expect(fake.texts.get("/cg/c1/io.weight")).toBe("10000");
  fake.texts.set("/cg/c1/io.bfq.weight", "default 100");
  applyResources(files, directory, { blockIO: { weight: 500 } });
  expect(fake.texts.get("/cg/c1/io.bfq.weight")).toBe("500");
});

describe("a limit for something the guest doesn't have", () => {
  const lines: unknown[] = [];
  const note = (line: unknown) => lines.push(line);
  beforeEach(() => {
    fake = new FakeCgroups("cpuset memory pids hugetlb");
    files = fake.files;
    createCgroup(files, "/cg", "/c1");
    for (const name of ["cpuset.cpus", "cpuset.mems", "hugetlb.2MB.max"]) fake.texts.set(`/cg/c1/${name}`, "");
    fake.refused.set("/cg/c1/cpuset.cpus", { code: "ERANGE", errno: 34 });
    fake.refused.set("/cg/c1/cpuset.mems", { code: "EINVAL", errno: 22 });
    lines.length = 0;
    cgroupNotices.subscribe(note);
  });
  afterEach(() => {
    cgroupNotices.unsubscribe(note);
  });
  const pages = ["2MB", "512MB"].map((pageSize) => ({ pageSize, limit: 0 }));
  const more = { pageSize: "1GB", limit: 1 << 30 };
  const resources = { cpu: { cpus: "4095", mems: "7" }, pids: { limit: 9 }, hugepageLimits: [...pages, more] };

  test.each([
    ["new", () => applyResources(files, "/cg/c1", resources)],
    ["changed", () => updateResources(files, "/cg/c1", resources, {})],
  ])("is skipped with one notice in a %s cgroup, and the other limits are written", (_, write) => {
    write();
    const skipped = (what: string, code: string) =>
      `cgroup /cg/c1: ${what}, is skipped: the guest doesn't have it (${code})`;
    expect(lines).toEqual([
      skipped('cpuset.mems "7", from linux.resources.cpu.mems', "EINVAL"),
      skipped('cpuset.cpus "4095", from linux.resources.cpu.cpus', "ERANGE"),
      skipped('hugetlb.512MB.max "0", from linux.resources.hugepageLimits', "ENOENT"),
      skipped('hugetlb.1GB.max "1073741824", from linux.resources.hugepageLimits', "ENOENT"),
    ]);
    expect([fake.texts.get("/cg/c1/pids.max"), fake.texts.get("/cg/c1/hugetlb.2MB.max")]).toEqual(["9", "0"]);
  });

  test("fails if the kernel refuses a cpuset for another reason", () => {
    fake.refused.set("/cg/c1/cpuset.cpus", { code: "EACCES", errno: 13 });
    expect(() => applyResources(files, "/cg/c1", resources)).toThrow(/cpuset.cpus "4095": EACCES .*cpu.cpus$/);
  });
});

describe("an update", () => {
  const update = (resources: object, now: object = {}) => updateResources(files, "/cg/c1", resources, now);
  beforeEach(() => {
    createCgroup(files, "/cg", "/c1");
    fake.log.length = 0;
  });

  test("writes the given values and keeps the current other half of a pair", () => {
    update({ cpu: { quota: 20_000 } }, { cpu: { quota: 10_000, period: 50_000 } });
    update({ cpu: { period: 25_000 } }, { cpu: { quota: 10_000, period: 50_000 } });
    expect(fake.log).toEqual(["/cg/c1/cpu.max 20000 50000", "/cg/c1/cpu.max 10000 25000"]);
  });

  test("computes a new swap limit from the current memory limit", () => {
    fake.texts.set("/cg/c1/memory.swap.max", "max");
    update({ memory: { swap: 3000 } }, { memory: { limit: 1000 } });
    expect(fake.log).toEqual(["/cg/c1/memory.swap.max 2000"]);
  });

  test("writes nothing if one field is invalid", () => {
    expect(() => update({ pids: { limit: 5 }, memory: { limit: -7 } })).toThrow("memory.limit -7 is negative");
    expect(() => update({ pids: { limit: 5 }, cpu: { cpus: "0" } })).toThrow("the cpuset controller is not available");
    expect(fake.log).toEqual([]);
  });

  test("refuses a limit below the current usage if checkBeforeUpdate is set, and writes nothing", () => {
    fake.texts.set("/cg/c1/memory.current", "4096\n");
    fake.texts.set("/cg/c1/memory.swap.current", "100\n");
    expect(() => update({ memory: { limit: 4096, checkBeforeUpdate: true } })).toThrow(
      "linux.resources.memory.limit 4096 is not above the 4096 in use",
    );
    expect(() => update({ memory: { limit: 4100, swap: 4196, checkBeforeUpdate: true } })).toThrow(
      "linux.resources.memory.swap 4196 is not above the 4196 in use",
    );
    expect(fake.log).toEqual([]);
    update({ memory: { limit: 4097, checkBeforeUpdate: true } });
    update({ memory: { limit: 1 } });
    expect(fake.log).toEqual(["/cg/c1/memory.max 4097", "/cg/c1/memory.max 1"]);
  });

  test("that the kernel refuses at once lists nothing as written, and keeps the cause", () => {
    fake.refused.set("/cg/c1/pids.max", { code: "EBUSY", errno: 16 });
    expect(() => update({ pids: { limit: 2 } })).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/; written before it: nothing; not written: pids.max$/),
        kind: "internal",
        cause: expect.objectContaining({ kind: "internal", cause: expect.objectContaining({ code: "EBUSY" }) }),
      }),
    );
  });

  test("goes to the file that the kernel has, of two for the same purpose", () => {
    expect(() => update({ blockIO: { weight: 500 } })).toThrow(
      "set io.bfq.weight of cgroup /cg/c1: the guest's kernel",
    );
    fake.texts.set("/cg/c1/io.weight", "default 100");
    update({ blockIO: { weight: 1000 } });
    expect(fake.texts.get("/cg/c1/io.weight")).toBe("10000");
  });

  test("of a cgroup without controllers says that it has none", () => {
    fake.texts.set("/cg/c1/cgroup.controllers", "\n");
    const missing = (has: string) =>
      expect.objectContaining({
        message: `set cpuset.cpus of cgroup /cg/c1: the cpuset controller is not available there (it has: ${has}); leave linux.resources.cpu.cpus out or use a kernel with it`,
        fields: { cgroup: "/cg/c1", controller: "cpuset", file: "cpuset.cpus" },
      });
    expect(() => update({ cpu: { cpus: "0" } })).toThrow(missing("none"));
    fake.texts.set("/cg/c1/cgroup.controllers", "pids cpuset\n");
    expect(() => update({ cpu: { cpus: "0" } })).toThrow("the guest's kernel has no such file");
    fake.texts.delete("/cg/c1/cgroup.controllers");
    expect(() => update({ cpu: { cpus: "0" } })).toThrow(missing("none"));
  });

  test("that fails without an error of the kernel reports that failure", () => {
    const broken = {
      ...files,
      writeText: () => {
        throw new Error("out of memory");
      },
    };
    expect(() => updateResources(broken, "/cg/c1", { pids: { limit: 2 } }, {})).toThrow(
      "out of memory; written before it: nothing; not written: pids.max",
    );
  });

  test("that the kernel refuses halfway lists what was written and what was not", () => {
    fake.refused.set("/cg/c1/memory.max", { code: "EBUSY", errno: 16 });
    const all = { cpu: { shares: 2, quota: 1 }, memory: { limit: 1 }, pids: { limit: 2 } };
    expect(() => update(all)).toThrow(
      /^write \/cg\/c1\/memory.max "1": EBUSY .*; written before it: cpu.weight, cpu.max; not written: memory.max, pids.max$/,
    );
  });
});
