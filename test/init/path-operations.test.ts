import { lstatSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { mountOf, mountProc } from "./container-plan.ts";
import { describeOperations } from "./describe-operations.ts";
import { failure, run, shell, stdio } from "./run-plan.ts";

const ENOENT = 2;
const EEXIST = 17;
const ELOOP = 40;

describeOperations("operations on paths stay in the root and do what they say", (on) => {
  test("write puts a text into a file of the guest, and a missing file is ENOENT", async () => {
    const path = join(on.init.shared, "written");
    writeFileSync(path, "....");
    const plan: PlanOp[] = [{ op: "write", path, data: "ok" }, stdio, ...shell("true")];
    await run(on.agent, plan);
    expect(readFileSync(path, "utf8")).toBe("ok..");
    const missing: PlanOp[] = [{ op: "write", path: `${path}-not`, data: "" }, ...plan];
    expect(failure(missing, await run(on.agent, missing))).toBe(`write: errno ${ENOENT}`);
  });

  test("mkdir makes what is missing with the exact mode and leaves what is there", async () => {
    const ops: PlanOp[] = [
      { op: "mkdir", path: "/fresh/one", mode: 0o1777 },
      { op: "mkdir", path: "/bin", mode: 0o700 },
    ];
    expect(await on.inside(ops, "stat -c %a /fresh /fresh/one /bin; umask")).toBe("755\n1777\n755\n0022");
    expect(await on.failing([{ op: "mkdir", path: "/etc/secret", mode: 0o755 }])).toBe("mkdir: errno 20");
  });

  test("mknod makes a device with exact mode and owner, leaves the same one, and refuses another", async () => {
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

  test("symlink makes a link, parents too, and leaves an existing file", async () => {
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
  ])("a hostile link to %s stays inside", async (target, path) => {
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

  test("what lies below a mount is done in there, and by a link in it where that leads", async () => {
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

  test("a path that is read-only as a whole has its masks where they are seen", async () => {
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", "/data/mount"),
      { op: "mkdir", path: "/data/mount/secret/deep", mode: 0o755 },
      { op: "readonly", path: "/data/mount" },
      { op: "mask", path: "/data/mount/secret" },
    ];
    expect(await on.inside(ops, "ls /data/mount/secret; touch /data/mount/x 2>&1")).toContain("Read-only");
  });

  test("a file that is mounted is made read-only and masked", async () => {
    const file: PlanOp[] = [
      { op: "open-tree", from: "guest", path: "/etc/passwd", recursive: false },
      { op: "attach", target: "/data/file", overProc: false },
    ];
    const look = "grep /data/file /proc/self/mountinfo | wc -l; wc -c < /data/file";
    expect(await on.inside([...file, { op: "readonly", path: "/data/file" }], look)).toMatch(/^2\n[1-9]/);
    expect(await on.inside([...file, { op: "mask", path: "/data/file" }], look)).toBe("2\n0");
  });

  test("a file is attached through a dangling link, as /etc/resolv.conf often is one", async () => {
    symlinkSync("../run/resolve/stub.conf", join(on.rootfs, "etc/resolv.conf"));
    const ops: PlanOp[] = [
      { op: "open-tree", from: "guest", path: "/etc/passwd", recursive: false },
      { op: "attach", target: "/etc/resolv.conf", overProc: false },
    ];
    expect(await on.inside(ops, "grep -c root: /run/resolve/stub.conf /etc/resolv.conf")).toMatch(
      /stub.conf:1\n.*resolv.conf:1/,
    );
  });

  test("links in a circle are ELOOP, and a magic link is refused", async () => {
    symlinkSync("circle-b", join(on.rootfs, "circle-a"));
    symlinkSync("circle-a", join(on.rootfs, "circle-b"));
    expect(await on.failing(mountOf("tmpfs", "/circle-a/x"))).toBe(`attach: errno ${ELOOP}`);
    expect(await on.failing([...mountProc, { op: "mkdir", path: "/proc/self/root/tmp/x", mode: 0o755 }])).toBe(
      `mkdir: errno ${ELOOP}`,
    );
  });
});
