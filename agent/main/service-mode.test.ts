import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Init } from "../kernel/kernel.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { cgroupRoot, claimAddresses } from "./service-mode.ts";

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

test("a client connects as soon as a claimed address exists, before the agent is loaded", async () => {
  const directory = mkdtempSync(join(tmpdir(), "guestd-claim-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "agent.sock");
  const init = { greeting: { deposits: new Map() } } as unknown as Init;
  const claimed = await claimAddresses(init, [`unix://${path}`]);
  const client = connect(path);
  await once(client, "connect");
  client.destroy();
  await expect(claimAddresses(init, [`unix://${path}`])).rejects.toThrow("another process serves there");
  for (const fd of claimed.values()) openSys().close(fd);
});
