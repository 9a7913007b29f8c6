import { expect, test } from "vitest";
import { cgroupRoot } from "./service-mode.ts";

const rootOf = (...mounts: string[]) => cgroupRoot({ readText: () => mounts.map((it) => `x ${it} rw 0 0\n`).join("") });

test("cgroup v2 is found where a mount of it is visible", () => {
  expect(rootOf("/proc proc", "/sys/fs/cgroup cgroup2")).toBe("/sys/fs/cgroup");
  expect(rootOf("/sys/fs/cgroup tmpfs", "/sys/fs/cgroup/unified cgroup2")).toBe("/sys/fs/cgroup/unified");
  expect(rootOf("/sys/fs/cgroup tmpfs", "/sys/fs/cgroup/unified cgroup2", "/sys/fs/cgroup cgroup2")).toBe(
    "/sys/fs/cgroup",
  );
  expect(rootOf("/proc proc")).toBe("/sys/fs/cgroup");
});

test("the system's cgroup v2 is preferred to one that a program has mounted", () => {
  const [theirs, own] = ["/var/lib/other/cgroup cgroup2", "/sys/fs/cgroup/unified cgroup2"];
  expect(rootOf(theirs, "/sys/fs/cgroup tmpfs", own)).toBe("/sys/fs/cgroup/unified");
  expect(rootOf(theirs)).toBe("/var/lib/other/cgroup");
});
