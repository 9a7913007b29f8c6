import { expect, test } from "vitest";
import { cgroupRoot } from "./service-mode.ts";

const rootOf = (...mounts: string[]) => cgroupRoot({ readText: () => mounts.map((it) => `x ${it} rw 0 0\n`).join("") });

test("cgroup v2 is found where it is seen", () => {
  expect(rootOf("/proc proc", "/sys/fs/cgroup cgroup2")).toBe("/sys/fs/cgroup");
  expect(rootOf("/sys/fs/cgroup tmpfs", "/sys/fs/cgroup/unified cgroup2")).toBe("/sys/fs/cgroup/unified");
  expect(rootOf("/sys/fs/cgroup tmpfs", "/sys/fs/cgroup/unified cgroup2", "/sys/fs/cgroup cgroup2")).toBe(
    "/sys/fs/cgroup",
  );
  expect(rootOf("/proc proc")).toBe("/sys/fs/cgroup");
});
