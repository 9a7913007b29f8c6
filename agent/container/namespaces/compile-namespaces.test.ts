import { describe, expect, it } from "vitest";
import * as abi from "../../kernel/constants.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";
import { compileCreate } from "../plan/compile-create.ts";
import { compileExec } from "../plan/compile-exec.ts";
import type { LinuxSpec, Spec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";

const context = { env: [], hasLabel: () => false, under: "/run" };
const mapping = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const spaces = (...types: string[]) => types.map((type) => ({ type, path: "" }));

function plan(linux: Partial<LinuxSpec>, parts: Partial<Spec> = {}) {
  const compiled = compileCreate(testSpec({ ...parts, linux: { ...testSpec().linux, ...linux } }), context);
  return { ...compiled, ops: compiled.steps.map(({ op }) => op) };
}

const names = (ops: readonly PlanOp[]) => ops.map(({ op }) => op);

describe("a new user namespace", () => {
  const namespaces = [...spaces("user", "mount", "pid", "network"), { type: "ipc", path: "/i" }];
  const { ops, slots, newPidNamespace } = plan({ namespaces, uidMappings: mapping, gidMappings: mapping });

  it("is joined after the guest's namespaces and before the new ones that belong to it", () => {
    const order = ["rlimit", "setns", "setns", "fork", "setsid", "unshare", "root", "user", "fsopen"];
    const seen = names(ops).filter((name) => order.includes(name));
    expect(seen.slice(0, 10)).toEqual(["setsid", ...order]);
    const joined = ops.flatMap((op) => (op.op === "setns" ? [[op.flags, slots[op.slot]]] : []));
    expect(joined).toEqual([
      [abi.CLONE_NEWIPC, "ns:ipc"],
      [abi.CLONE_NEWUSER, "ns:user"],
    ]);
    expect(ops).toContainEqual({ op: "fork", flags: abi.CLONE_NEWPID });
    expect(ops).toContainEqual({ op: "unshare", flags: abi.CLONE_NEWNS | abi.CLONE_NEWNET });
    expect(newPidNamespace).toBe(false);
  });

  it.each([
    [[], ["scheduler", "fork"]],
    [["SCHED_FLAG_RESET_ON_FORK"], ["fork", "scheduler"]],
  ])("orders a scheduler with the flags %j, which a fork may reset, as %j", (flags, order) => {
    const scheduler = { policy: "SCHED_BATCH", nice: 0, priority: 0, flags, runtime: 0, deadline: 0, period: 0 };
    const parts = { process: { ...testSpec().process, scheduler } };
    const { ops } = plan({ namespaces, uidMappings: mapping, gidMappings: mapping }, parts);
    expect(names(ops).filter((name) => order.includes(name))).toEqual(order);
  });

  it("gets the guest's devices as binds, because its processes can't create devices", () => {
    expect(names(ops)).not.toContain("mknod");
    expect(ops).toContainEqual({ op: "open-tree", from: "guest", path: "/dev/null", recursive: false });
  });

  it("gets binds from the agent, which can access sources that its root can't", () => {
    expect(slots).toContain("mount:3");
    expect(ops).not.toContainEqual(expect.objectContaining({ op: "open-tree", path: "/run/hosts" }));
  });

  it("is joined by an exec as well, after its limits are raised", () => {
    const exec = compileExec(testSpec().process, { ...context, namespaces });
    const ops = exec.steps.map(({ op }) => op);
    const join = ops.findIndex(({ op }) => op === "setns");
    expect(ops[join]).toMatchObject({ flags: expect.any(Number) });
    expect((ops[join] as { flags: number }).flags & abi.CLONE_NEWUSER).toBe(abi.CLONE_NEWUSER);
    expect(names(ops).indexOf("rlimit")).toBeLessThan(join);
  });
});

describe("host and domain names", () => {
  const named = { hostname: "h", domainname: "d" };
  const of = (uts: string) => {
    const namespaces = [...spaces("user", "mount"), { type: "uts", path: uts }];
    const { ops } = plan({ namespaces, uidMappings: mapping, gidMappings: mapping }, named);
    const seen = ops.filter(({ op }) => /setns|unshare|set.*name/.test(op));
    return seen.map((op) => ("flags" in op ? [op.op, op.flags] : op.op));
  };
  const user = ["setns", abi.CLONE_NEWUSER];

  it("are set in a joined uts namespace while the process is root of the guest", () => {
    const uts = ["setns", abi.CLONE_NEWUTS];
    expect(of("/u")).toEqual([uts, "sethostname", "setdomainname", user, ["unshare", abi.CLONE_NEWNS]]);
  });

  it("are set in a new uts namespace once it exists", () => {
    expect(of("")).toEqual([user, ["unshare", abi.CLONE_NEWNS | abi.CLONE_NEWUTS], "sethostname", "setdomainname"]);
  });
});

describe("a time namespace", () => {
  it("gets its offsets before the process enters it", () => {
    const timeOffsets = { boottime: { secs: -5, nanosecs: 7 }, monotonic: { secs: 1, nanosecs: 0 } };
    const { ops } = plan({ namespaces: spaces("mount", "time"), timeOffsets });
    const at = ops.findIndex((op) => op.op === "unshare" && op.flags === abi.CLONE_NEWTIME);
    expect(ops.slice(at + 1, at + 3)).toEqual([
      { op: "write", path: "/proc/self/timens_offsets", data: "boottime -5 7\nmonotonic 1 0\n" },
      { op: "setns-path", path: "/proc/self/ns/time_for_children", flags: abi.CLONE_NEWTIME },
    ]);
  });
});

describe("rootfsPropagation", () => {
  const of = (rootfsPropagation: string) =>
    plan({ rootfsPropagation }).ops.filter(({ op }) => ["propagate", "pivot", "root"].includes(op));
  const path = testSpec().root.path;

  it.each(["", "slave", "rslave"])("%j propagates the guest's mounts into the container, but not back", (word) => {
    const flags = abi.MS_REC | abi.MS_SLAVE;
    expect(of(word)).toEqual([{ op: "propagate", path: "/", flags }, { op: "root", path }, { op: "pivot" }]);
  });

  it("shared puts the rootfs on a private mount and shares it once it is the root", () => {
    expect(of("rshared")).toEqual([
      { op: "propagate", path: "/", flags: abi.MS_REC | abi.MS_SHARED },
      { op: "propagate", path: "/run", flags: abi.MS_PRIVATE },
      { op: "root", path },
      { op: "pivot" },
      { op: "propagate", path: "/", flags: abi.MS_REC | abi.MS_SHARED },
    ]);
  });

  it("unbindable is set at the end, because the rootfs must be bound first", () => {
    const [first, , , last] = of("unbindable");
    expect(first).toEqual({ op: "propagate", path: "/", flags: abi.MS_REC | abi.MS_PRIVATE });
    expect(last).toEqual({ op: "propagate", path: "/", flags: abi.MS_UNBINDABLE });
  });
});
