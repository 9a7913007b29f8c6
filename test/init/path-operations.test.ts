import { lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { mountOf, mountProc } from "./testing/container-plan.ts";
import { describeOperations } from "./testing/describe-operations.ts";
import { failure, run, shell, stdio } from "./testing/run-plan.ts";

const ENOENT = 2;
const EEXIST = 17;
const ELOOP = 40;

describeOperations("in operations on paths,", (on) => {
  test("write writes text to a file of the guest, and reports ENOENT for a missing file", async () => {
    const path = join(on.init.shared, "written");
    writeFileSync(path, "....");
    const plan: PlanOp[] = [{ op: "write", path, data: "ok" }, stdio, ...shell("true")];
    await run(on.agent, plan);
    expect(readFileSync(path, "utf8")).toBe("ok..");
    const missing: PlanOp[] = [{ op: "write", path: `${path}-not`, data: "" }, ...plan];
    expect(failure(missing, await run(on.agent, missing))).toBe(`write: errno ${ENOENT}`);
  });

  test("mkdir creates missing directories with the exact mode and leaves existing ones alone", async () => {
    const ops: PlanOp[] = [
      { op: "mkdir", path: "/fresh/one", mode: 0o1777 },
      { op: "mkdir", path: "/bin", mode: 0o700 },
    ];
    expect(await on.inside(ops, "stat -c %a /fresh /fresh/one /bin; umask")).toBe("755\n1777\n755\n0022");
    expect(await on.failing([{ op: "mkdir", path: "/etc/secret", mode: 0o755 }])).toBe("mkdir: errno 20");
  });

  test("mknod creates a device with the exact mode and owner, accepts an identical one, and refuses a different one", async () => {
    const node = {
      op: "mknod",
      path: "/nodes/zero",
      mode: abi.S_IFCHR | 0o666,
      major: 1,
      minor: 5,
      uid: 7,
      gid: 8,
    } as const;
    const text = await on.inside([node, node], "stat -c '%a %u %g %t,%T' /nodes/zero");
    expect(text).toBe("666 7 8 1,5");
    expect(await on.failing([{ ...node, minor: 3 }])).toBe(`mknod: errno ${EEXIST}`);
  });

  test("symlink creates a link and its missing parents, and leaves an existing file alone", async () => {
    const ops: PlanOp[] = [
      { op: "symlink", target: "/proc/self/fd", path: "/links/fd" },
      { op: "symlink", target: "other", path: "/etc/secret" },
    ];
    expect(await on.inside(ops, "readlink /links/fd; cat /etc/secret")).toBe("/proc/self/fd\nsecret");
  });

  test.each([
    ["../../../etc/hostile", "/data/up"],
    ["/../../etc/hostile", "/data/absolute-up"],
    ["/data/target-of-absolute", "/data/absolute"],
    ["../outside", "/data/up-and-out"],
  ])("a hostile link to %s resolves inside the root", async (target, path) => {
    symlinkSync(target, join(on.rootfs, path));
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", `${path}/mount`),
      { op: "mkdir", path: `${path}/made`, mode: 0o700 },
      { op: "mknod", path: `${path}/fifo`, mode: 0o010600, major: 0, minor: 0, uid: 0, gid: 0 },
    ];
    const text = await on.inside(ops, `grep /mount /proc/self/mounts; ls -d ${path}/made ${path}/fifo`);
    expect(text).toMatch(/^none \/(etc|data|outside)[^ ]* tmpfs/);
    expect(text).toContain(`${path}/made`);
    expect(() => lstatSync("/etc/hostile")).toThrow("ENOENT");
    expect(() => lstatSync("/outside")).toThrow("ENOENT");
  });

  test("a path below a mount is resolved in that mount, and a link in it leads where the link says", async () => {
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", "//data/./mount/"),
      { op: "symlink", target: "/etc", path: "/data/mount/out" },
      { op: "symlink", target: "../up/deep", path: "/data/mount/dangling" },
      { op: "mkdir", path: "/data/mount/in/deep", mode: 0o700 },
      { op: "mkdir", path: "/data/mount/out/made-out", mode: 0o700 },
      { op: "mkdir", path: "/data/mount/dangling/made-up", mode: 0o700 },
    ];
    const text = await on.inside(ops, "ls -d /data/mount/in/deep /etc/made-out /data/up/deep/made-up");
    expect(text).toBe("/data/mount/in/deep\n/data/up/deep/made-up\n/etc/made-out");
  });

  test("masks below a read-only path are in the visible mount", async () => {
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", "/data/mount"),
      { op: "mkdir", path: "/data/mount/secret/deep", mode: 0o755 },
      { op: "readonly", path: "/data/mount" },
      { op: "mask", path: "/data/mount/secret" },
    ];
    expect(await on.inside(ops, "ls /data/mount/secret; touch /data/mount/x 2>&1")).toContain("Read-only");
  });

  test("a mounted file can be made read-only and masked", async () => {
    const file: PlanOp[] = [
      { op: "open-tree", from: "guest", path: "/etc/passwd", recursive: false },
      { op: "attach", target: "/data/file", overProc: false },
    ];
    const look = "grep /data/file /proc/self/mountinfo | wc -l; wc -c < /data/file";
    expect(await on.inside([...file, { op: "readonly", path: "/data/file" }], look)).toMatch(/^2\n[1-9]/);
    expect(await on.inside([...file, { op: "mask", path: "/data/file" }], look)).toBe("2\n0");
  });

  test("a file can be attached through a dangling link, such as many images' /etc/resolv.conf", async () => {
    symlinkSync("../run/resolve/stub.conf", join(on.rootfs, "etc/resolv.conf"));
    const ops: PlanOp[] = [
      { op: "open-tree", from: "guest", path: "/etc/passwd", recursive: false },
      { op: "attach", target: "/etc/resolv.conf", overProc: false },
    ];
    expect(await on.inside(ops, "grep -c root: /run/resolve/stub.conf /etc/resolv.conf")).toMatch(
      /stub.conf:1\n.*resolv.conf:1/,
    );
  });

  test("circular links fail with ELOOP, and magic links are refused", async () => {
    symlinkSync("circle-b", join(on.rootfs, "circle-a"));
    symlinkSync("circle-a", join(on.rootfs, "circle-b"));
    expect(await on.failing(mountOf("tmpfs", "/circle-a/x"))).toBe(`attach: errno ${ELOOP}`);
    expect(await on.failing([...mountProc, { op: "mkdir", path: "/proc/self/root/tmp/x", mode: 0o755 }])).toBe(
      `mkdir: errno ${ELOOP}`,
    );
  });
});
