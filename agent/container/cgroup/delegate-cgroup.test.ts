import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { MountSpec } from "../spec.ts";
import { filesBelow } from "../testing/files-below.ts";
import { testSpec } from "../testing/test-spec.ts";
import { delegateCgroup } from "./delegate-cgroup.ts";

let root = "";
let cgroup = "";
const chown = vi.fn();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "delegate-"));
  cgroup = join(root, "cgroup");
  mkdirSync(cgroup);
  for (const name of ["cgroup.procs", "memory.max"]) writeFileSync(join(cgroup, name), "");
  mkdirSync(join(root, "sys/kernel/cgroup"), { recursive: true });
  writeFileSync(join(root, "sys/kernel/cgroup/delegate"), "cgroup.procs\ncgroup.threads\n");
});
afterEach(() => {
  chown.mockReset();
  rmSync(root, { recursive: true });
});

const mount = (type: string, options: string[] = []): MountSpec => ({
  ...{ destination: "/sys/fs/cgroup", source: type, type, options },
});
const mapped = [{ containerID: 0, hostID: 1000, size: 100 }];

function delegate(mounts: readonly MountSpec[], uidMappings = mapped): unknown[][] {
  const { process, linux } = testSpec();
  const user = { ...process.user, uid: 5 };
  const spec = testSpec({ mounts, process: { ...process, user }, linux: { ...linux, uidMappings } });
  delegateCgroup(filesBelow(root), cgroup, spec, chown);
  return chown.mock.calls;
}

test.each(["cgroup", "cgroup2"])(
  "the process's user owns the cgroup and the files that the kernel lists, if a %s is mounted writable",
  (type) => {
    expect(delegate([mount("proc"), mount(type, ["nosuid"])])).toEqual([
      [cgroup, 1005, 0],
      [join(cgroup, "cgroup.procs"), 1005, 0],
    ]);
  },
);

test.each([
  ["is mounted read-only", [mount("cgroup2", ["ro"])]],
  ["isn't mounted", [mount("tmpfs"), mount("xcgroup2"), mount("cgroup2x")]],
])("the owner stays if the cgroup %s", (_, mounts) => {
  expect(delegate(mounts)).toEqual([]);
});

test("the owner stays without a user namespace, or if the kernel lists no files", () => {
  expect(delegate([mount("cgroup2")], [])).toEqual([]);
  rmSync(join(root, "sys"), { recursive: true });
  expect(delegate([mount("cgroup2")])).toEqual([]);
});
