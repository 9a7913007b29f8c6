import { describe, expect, it } from "vitest";
import { MOUNT_ATTR_RDONLY, MS_BIND, MS_NOSUID, MS_RDONLY, MS_REMOUNT, MS_SLAVE } from "../../kernel/constants.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";
import { PlanBuilder } from "../plan/plan-builder.ts";
import type { MountSpec } from "../spec.ts";
import { compileMounts, compilePaths, type MountContext } from "./compile-mounts.ts";

const context: MountContext = { own: new Map(), root: "/r", propagation: 0, label: "" };

function compile(mount: Partial<MountSpec>, parts: Partial<MountContext> = {}): { ops: PlanOp[]; late: PlanOp[] } {
  const plan = new PlanBuilder();
  const full = { destination: "/m", source: "s", type: "tmpfs", options: [], ...mount };
  const late = compileMounts(plan, [full], { ...context, ...parts });
  return { ops: plan.finish().steps.map(({ op }) => op), late: late.map(({ op }) => op) };
}

const attach = { op: "attach", target: "/m", overProc: false };

describe("a mount", () => {
  it("has its attributes from the start; those with an r are set on all mounts below by mount_setattr", () => {
    expect(compile({ options: ["nosuid", "rro", "mode=755", "sync"] }).ops).toEqual([
      { op: "fsopen", type: "tmpfs" },
      { op: "fsconfig", key: "source", value: "s" },
      { op: "fsconfig", key: "mode", value: "755" },
      { op: "fsconfig", key: "sync" },
      { op: "fsmount", attributes: 2 },
      { op: "setattr", set: 1, clear: 0, propagation: 0, recursive: true },
      attach,
    ]);
  });

  it("of tmpfs or at /dev becomes read-only after everything in it is created", () => {
    const { ops, late } = compile({ options: ["ro", "nosuid"] });
    expect(ops).toContainEqual({ op: "fsmount", attributes: 2 });
    expect(late).toEqual([{ op: "remount", path: "/m", flags: MS_BIND | MS_RDONLY | MS_NOSUID, data: "" }]);
    expect(compile({ destination: "/dev/", type: "devtmpfs", options: ["ro"] }).late).toHaveLength(1);
  });

  it("of tmpfs becomes read-only before another mount covers it, and the other stays writable", () => {
    const plan = new PlanBuilder();
    const base = { destination: "/m", source: "s", options: [] };
    const mounts = [
      { ...base, type: "tmpfs", options: ["ro"] },
      { ...base, destination: "/n", type: "tmpfs", options: ["ro"] },
      { ...base, destination: "/m/in", type: "tmpfs", options: ["ro"] },
      { ...base, destination: "//m/", type: "bind", source: "/s" },
    ];
    expect(compileMounts(plan, mounts, context).map(({ op }) => op)).toMatchObject([{ op: "remount", path: "/n" }]);
    const steps = plan.finish().steps.map(({ op }) => ("path" in op ? `${op.op} ${op.path}` : op.op));
    expect(steps.slice(-4)).toEqual(["remount /m", "remount /m/in", "open-tree /s", "attach"]);
  });

  it("makes a device's whole file system read-only, but a kernel file system only at this mount", () => {
    expect(compile({ type: "ext4", options: ["ro"] }).ops).toContainEqual({ op: "fsconfig", key: "ro" });
    expect(compile({ type: "sysfs", options: ["ro"] }).ops).not.toContainEqual({ op: "fsconfig", key: "ro" });
  });

  it("of cgroup becomes cgroup2, without version 1 options", () => {
    const { ops } = compile({ type: "cgroup", options: ["ro", "xattr", "name=systemd"] });
    expect(ops.filter(({ op }) => op === "fsopen" || op === "fsconfig")).toEqual([
      { op: "fsopen", type: "cgroup2" },
      { op: "fsconfig", key: "source", value: "s" },
    ]);
  });

  it("with remount changes the existing mount", () => {
    const { ops } = compile({ type: "none", options: ["remount", "ro", "size=64k", "mode=700"] });
    expect(ops).toEqual([{ op: "remount", path: "/m", flags: MS_RDONLY, data: "size=64k,mode=700" }]);
    expect(MS_REMOUNT).toBe(32); // the operation's own
  });

  it("on / becomes the root", () => {
    const { ops } = compile({ destination: "/.", type: "bind", source: "/s" });
    expect(ops.at(-1)).toEqual({ op: "root", path: "/r" });
  });

  it("may cover one of a few files of /proc", () => {
    const { ops } = compile({ destination: "/proc/uptime", type: "bind", source: "/s" });
    expect(ops.at(-1)).toEqual({ op: "attach", target: "/proc/uptime", overProc: true });
  });

  it("that the agent created comes in a slot; a clone also gets its propagation", () => {
    const own = new Map([[0, "bind"]] as const);
    const mount = { type: "bind", source: "/s", options: ["rbind", "ro"] };
    const slave = { op: "setattr", set: 0, clear: 0, propagation: MS_SLAVE, recursive: true };
    expect(compile(mount, { own, propagation: MS_SLAVE }).ops).toEqual([
      { op: "take-mount", slot: 0 },
      { op: "setattr", set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, recursive: false },
      slave,
      attach,
    ]);
    const mqueue = compile(
      { type: "mqueue", options: ["ro"] },
      { own: new Map([[0, "mqueue"]]), propagation: MS_SLAVE },
    );
    expect(mqueue.ops).toEqual([{ op: "take-mount", slot: 0 }, attach]);
  });
});

describe("a new file system", () => {
  it("of tmpfs gets the mode of the directory it covers unless it has one, and on request its content", () => {
    const copies = (options: string[], type = "tmpfs") =>
      compile({ type, options }).ops.filter(({ op }) => op === "copy-up");
    expect(copies([])).toEqual([{ op: "copy-up", path: "/m", mode: true, content: false }]);
    expect(copies(["mode=700"])).toEqual([]);
    expect(copies(["mode=700", "tmpcopyup"])).toEqual([{ op: "copy-up", path: "/m", mode: false, content: true }]);
    expect(copies(["tmpcopyup"])).toEqual([{ op: "copy-up", path: "/m", mode: true, content: true }]);
    expect(copies([], "proc")).toEqual([]);
    expect(copies(["bind", "tmpcopyup"])).toEqual([]);
    const own = new Map([[0, "mqueue"]] as const);
    expect(compile({ type: "tmpfs" }, { own }).ops.map(({ op }) => op)).toEqual(["take-mount", "attach"]);
  });

  it("has its type as its source if the spec names none", () => {
    expect(compile({ type: "cgroup", source: "" }).ops).toContainEqual({
      op: "fsconfig",
      key: "source",
      value: "cgroup2",
    });
  });

  it("of devpts is always a new instance, so the option is left out; other types keep an option of that name", () => {
    const has = (type: string) =>
      compile({ type, options: ["newinstance", "gid=5"] })
        .ops.filter(({ op }) => op === "fsconfig")
        .slice(1);
    expect(has("devpts")).toEqual([{ op: "fsconfig", key: "gid", value: "5" }]);
    expect(has("tmpfs")).toHaveLength(2);
  });

  it("has the label of the spec, unless the policy labels its files", () => {
    const context = { op: "fsconfig", key: "context", value: "system_u" };
    expect(compile({ type: "tmpfs" }, { label: "system_u" }).ops).toContainEqual(context);
    for (const type of ["proc", "sysfs", "cgroup", "mqueue"]) {
      expect(compile({ type }, { label: "system_u" }).ops).not.toContainEqual(context);
    }
  });

  it("is read-only from the start unless something may have to be created in it", () => {
    expect(compile({ type: "proc", options: ["ro"] })).toMatchObject({ late: [] });
    expect(compile({ type: "bind", source: "/s", destination: "/dev", options: ["bind", "ro"] }).late).toEqual([]);
    expect(compile({ type: "tmpfs", options: [] }).late).toEqual([]);
  });
});

describe("attributes and propagation", () => {
  it("are set in the order own, below, propagation", () => {
    const { ops } = compile({ type: "bind", source: "/s", options: ["rbind", "suid", "rnodev", "rprivate"] });
    expect(ops.slice(1, -1)).toEqual([
      { op: "setattr", set: 0, clear: 2, propagation: 0, recursive: false },
      { op: "setattr", set: 4, clear: 0, propagation: 0, recursive: true },
      { op: "setattr", set: 0, clear: 0, propagation: 1 << 18, recursive: true },
    ]);
  });

  it("of a clone that sets its own propagation stay", () => {
    const mount = { type: "bind", source: "/s", options: ["rbind", "shared"] };
    const { ops } = compile(mount, { own: new Map([[0, "bind"]] as const), propagation: MS_SLAVE });
    expect(ops.slice(1, -1)).toEqual([{ op: "setattr", set: 0, clear: 0, propagation: 1 << 20, recursive: false }]);
  });
});

it("paths become read-only, then masked, then the root read-only if the spec says so", () => {
  const of = (root: boolean) => {
    const plan = new PlanBuilder();
    compilePaths(plan, ["/proc/kcore"], ["/proc/sys"], root);
    return plan.finish().steps;
  };
  const paths = [
    { reason: "linux.readonlyPaths", op: { op: "readonly", path: "/proc/sys" } },
    { reason: "linux.maskedPaths", op: { op: "mask", path: "/proc/kcore" } },
  ];
  expect(of(false)).toEqual(paths);
  expect(of(true)).toEqual([
    ...paths,
    { reason: "root.readonly", op: { op: "root-attr", set: 1, clear: 0, propagation: 0, recursive: false } },
  ]);
});
