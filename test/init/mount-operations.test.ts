import { lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import * as abi from "../../agent/kernel/constants.ts";
import type { PlanOp } from "../../agent/kernel/init/plan.ts";
import { mountOf, mountProc } from "./testing/container-plan.ts";
import { describeOperations } from "./testing/describe-operations.ts";
import { sys } from "./testing/relayed-init.ts";
import { EXTRA, failure, run, shell, stdio } from "./testing/run-plan.ts";

const EINVAL = 22;

describeOperations("in operations on mounts,", (on) => {
  test("pivot leaves nothing of the guest's mounts or files", async () => {
    const text = await on.inside([], "ls -d /bin /work /proc/1 /usr 2>&1; cut -d' ' -f2 /proc/self/mounts");
    expect(text).toContain("/bin\n");
    expect(text.split("\n").slice(-2)).toEqual(["/", "/proc"]);
    expect(text).toMatch(/\/usr: No such file/);
    expect(text).toMatch(/\/work: No such file/);
  });

  test("a mount made in the container is invisible outside", async () => {
    await on.inside(mountOf("tmpfs", "/data"), "true");
    expect(readFileSync(`/proc/${await on.init.running.pid()}/mounts`, "utf8")).not.toContain(on.rootfs);
  });

  test("fsopen, fsconfig, fsmount and attach mount a file system with its options and create missing parents", async () => {
    const ops = mountOf("tmpfs", "/made/on/the/way", [
      ["size", "1m"],
      ["mode", "700"],
    ]);
    const text = await on.inside(ops, "grep /made /proc/self/mounts; stat -c %a /made/on/the /made/on/the/way");
    expect(text).toMatch(/^none \/made\/on\/the\/way tmpfs rw,nosuid,relatime,size=1024k,mode=700/);
    expect(text).toMatch(/\n755\n700$/);
  });

  test("a failed mount reports the kernel's own message", async () => {
    expect(await on.failing(mountOf("tmpfs", "/data", [["siize", "1m"]]))).toBe(
      `fsconfig: errno ${EINVAL} (tmpfs: Unknown parameter 'siize')`,
    );
  });

  test("open-tree binds a directory of the guest, and setattr makes it and everything below read-only", async () => {
    const source = join(on.init.shared, "source");
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, "hello"), "hello\n");
    const set = abi.MOUNT_ATTR_RDONLY | abi.MOUNT_ATTR_NOEXEC;
    const ops: PlanOp[] = [
      { op: "open-tree", from: "guest", path: source, recursive: true },
      { op: "setattr", set, clear: 0, propagation: abi.MS_PRIVATE, recursive: true },
      { op: "attach", target: "/data/bound", overProc: false },
    ];
    const text = await on.inside(ops, "cat /data/bound/hello; touch /data/bound/x 2>&1; grep bound /proc/self/mounts");
    expect(text).toMatch(/^hello\ntouch: .*Read-only file system\n.*\/data\/bound ext4 ro,noexec/);
  });

  test("open-tree from the root binds a file of the container, and attach creates the empty file to cover", async () => {
    const ops: PlanOp[] = [
      { op: "open-tree", from: "root", path: "/etc/secret", recursive: false },
      { op: "attach", target: "/data/sub/copy", overProc: false },
    ];
    expect(await on.inside(ops, "cat /data/sub/copy")).toBe("secret");
    expect(lstatSync(join(on.rootfs, "data/sub/copy")).size).toBe(0);
  });

  test("open-tree-slot clones a mount by its descriptor, and take-mount attaches a detached one", async () => {
    const directory = sys.openat2(0, join("/proc", String(await on.init.running.pid()), "root/etc"), abi.O_PATH, 0);
    const detached = sys.detachedMount("tmpfs", [["mode", "711"]], 0);
    const plan: PlanOp[] = [
      { op: "open-tree-slot", slot: EXTRA, recursive: false },
      { op: "unshare", flags: abi.CLONE_NEWNS },
      { op: "propagate", path: "/", flags: abi.MS_REC | abi.MS_PRIVATE },
      { op: "root", path: on.rootfs },
      { op: "take-mount", slot: EXTRA + 1 },
      { op: "attach", target: "/opt", overProc: false },
      stdio,
      ...shell(`ls ${on.rootfs}/passwd; stat -c %a ${on.rootfs}/opt`),
    ];
    const finished = await run(on.agent, plan, { extra: [directory, detached] });
    expect(failure(plan, finished)).toMatch(/^executed/);
    expect(finished.output).toBe(`${on.rootfs}/passwd\n711\n`);
    sys.close(directory);
    sys.close(detached);
  });

  test("mask covers directories with one empty read-only tmpfs and files with /dev/null, and skips missing paths", async () => {
    const ops = ["/masked", "/second", "/etc/secret", "/missing", "/etc/secret/below"].map(
      (path) => ({ op: "mask", path }) as const,
    );
    const script = "ls /masked /second; cat /etc/secret; touch /masked/x 2>&1; grep -c tmpfs /proc/self/mounts";
    const text = await on.inside(ops, script);
    expect(text).toMatch(/^\/masked:\n\n\/second:\ntouch: .*Read-only file system\n3$/);
    const devices = await on.inside(ops.slice(0, 2), "stat -c %d /masked /second");
    expect(new Set(devices.split("\n")).size).toBe(1);
  });

  test("readonly applies to a path and the mounts below it, and skips missing paths", async () => {
    const ops: PlanOp[] = [
      ...mountOf("tmpfs", "/readonly/below"),
      { op: "readonly", path: "/readonly" },
      { op: "readonly", path: "/missing" },
    ];
    const text = await on.inside(
      ops,
      "touch /readonly/x 2>&1; touch /readonly/below/x 2>&1; touch /data/x && echo free",
    );
    expect(text).toMatch(/Read-only.*\n.*Read-only.*\nfree$/);
  });

  test("root-attr makes the root read-only, but not the mounts in it", async () => {
    const attributes = { set: abi.MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, recursive: false };
    const text = await on.inside(
      [...mountOf("tmpfs", "/data"), { op: "root-attr", ...attributes }],
      "touch /x 2>&1; touch /data/x && echo free",
    );
    expect(text).toMatch(/Read-only.*\nfree$/);
  });

  test("propagate makes the guest's mounts slave or private", async () => {
    const plan: PlanOp[] = [
      { op: "unshare", flags: abi.CLONE_NEWNS },
      { op: "propagate", path: "/", flags: abi.MS_SHARED | abi.MS_REC },
      stdio,
      ...shell("grep -vc shared: /proc/self/mountinfo"),
    ];
    expect((await run(on.agent, plan)).output).toBe("0\n");
  });

  test("remount changes a mount in the root and follows no link out of it", async () => {
    const tmpfs = mountOf("tmpfs", "/again");
    const ops: PlanOp[] = [...tmpfs, { op: "remount", path: "/again", flags: abi.MS_BIND | abi.MS_RDONLY, data: "" }];
    expect(await on.inside(ops, "grep ' /again ' /proc/self/mounts | cut -d' ' -f4 | cut -d, -f1")).toBe("ro");
    const link: PlanOp[] = [
      { op: "symlink", target: "/proc", path: "/out" },
      { op: "remount", path: "/out", flags: abi.MS_BIND | abi.MS_RDONLY, data: "" },
    ];
    expect(await on.failing(link)).toBe(`remount: errno ${EINVAL}`);
  });

  test("attach covers a file of proc only if the plan allows it", async () => {
    const over = (overProc: boolean): PlanOp[] => [
      { op: "open-tree", from: "guest", path: "/dev/null", recursive: false },
      { op: "attach", target: "/proc/uptime", overProc },
    ];
    expect(await on.inside(over(true), "wc -c < /proc/uptime")).toBe("0");
    expect(await on.failing([...mountProc, ...over(false)])).toBe("attach: errno 1");
  });
});
