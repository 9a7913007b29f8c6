import { describe, expect, it } from "vitest";
import { describeOp } from "../../kernel/init/describe-op.ts";
import type { Spec } from "../spec.ts";
import { testSpec } from "../testing/test-spec.ts";
import { compileCreate } from "./compile-create.ts";
import { compileExec, joinFlags } from "./compile-exec.ts";
import type { CompiledPlan } from "./plan-builder.ts";

const context = { env: ["PATH=/usr/bin:/bin", "HOME=/root"], hasLabel: () => false };

/** The plan as lines: operation, its object, field of the spec. */
function lines(plan: CompiledPlan): string[] {
  return plan.steps.map(({ op, reason }) =>
    `${op.op.padEnd(14)} ${describeOp(op).object.padEnd(40)} ${reason}`.trimEnd(),
  );
}

function withProcess(parts: Partial<Spec["process"]>): Spec {
  return testSpec({ process: { ...testSpec().process, ...parts } });
}

describe("the plan of a new container", () => {
  it("matches its golden file for an ordinary Kata spec", async () => {
    const text = `${lines(compileCreate(testSpec(), context)).join("\n")}\n`;
    await expect(text).toMatchFileSnapshot("testdata/create-ordinary.txt");
  });

  it("matches its golden file for a terminal, another user and a read-only root", async () => {
    const spec = {
      ...withProcess({ terminal: true, user: { uid: 1000, gid: 100, additionalGids: [5] }, args: ["top"] }),
      root: { path: "/r", readonly: true },
    };
    const text = `${lines(compileCreate(spec, context)).join("\n")}\n`;
    await expect(text).toMatchFileSnapshot("testdata/create-terminal.txt");
  });

  it("requests a new pid namespace at the fork, and never unshares it", () => {
    const plan = compileCreate(testSpec(), context);
    expect(plan.newPidNamespace).toBe(true);
    const unshare = plan.steps.find((step) => step.op.op === "unshare");
    expect(unshare?.op).toEqual({ op: "unshare", flags: 0x4000000 | 0x20000 });
  });

  it("joins namespaces by path before it creates new ones", () => {
    const names = compileCreate(testSpec(), context).steps.map((step) => step.op.op);
    expect(names.indexOf("setns")).toBeLessThan(names.indexOf("unshare"));
  });

  it("drops the bounding set while it still may, and capabilities after the change of user", () => {
    const names = compileCreate(withProcess({ user: { uid: 1, gid: 1, additionalGids: [] } }), context).steps.map(
      (step) => step.op.op,
    );
    const order = ["bounding", "keepcaps", "user", "capset", "no-new-privs", "find", "wait", "exec"];
    expect(names.filter((name) => order.includes(name))).toEqual(order);
  });

  it("writes sysctls in its namespaces, before it enters the root and makes paths read-only", () => {
    const linux = { ...testSpec().linux, sysctl: { "kernel.shmmax": "1" } };
    const steps = compileCreate(testSpec({ linux }), context).steps;
    const at = steps.findIndex(({ reason }) => reason === "linux.sysctl");
    expect(at).toBeGreaterThan(steps.findIndex(({ op }) => op.op === "unshare"));
    expect(at).toBeLessThan(steps.findIndex(({ op }) => op.op === "root"));
  });

  it("sets a personality and a umask if they are requested", () => {
    const linux = { ...testSpec().linux, personality: { domain: "LINUX32", flags: [] } };
    const process = { ...testSpec().process, user: { uid: 0, gid: 0, additionalGids: [], umask: 0o77 } };
    const ops = compileCreate(testSpec({ linux, process }), context).steps.map(({ op }) => op);
    expect(ops).toContainEqual({ op: "personality", persona: 8 });
    expect(ops).toContainEqual({ op: "umask", mask: 0o77 });
  });

  it("raises only ambient capabilities that are permitted and inheritable, and clears none", () => {
    const sets = { bounding: [], effective: [], permitted: ["KILL"], inheritable: ["KILL", "CHOWN"] };
    const capabilities = { ...sets, ambient: ["KILL", "CHOWN"] };
    const ops = compileCreate(withProcess({ capabilities }), context).steps.map(({ op }) => op);
    expect(ops.filter(({ op }) => op === "ambient")).toEqual([{ op: "ambient", mask: 32n }]);
  });

  it("creates no devices if /dev is a bind mount", () => {
    const mounts = [{ destination: "/dev/", source: "/dev", type: "bind", options: ["rbind"] }];
    const names = compileCreate(testSpec({ mounts }), context).steps.map((step) => step.op.op);
    expect(names).not.toContain("mknod");
  });
});

describe("the plan of an exec", () => {
  it("matches its golden file", async () => {
    const plan = compileExec(testSpec().process, { ...context, namespaces: [] });
    await expect(`${lines(plan).join("\n")}\n`).toMatchFileSnapshot("testdata/exec-ordinary.txt");
  });

  it("looks up a bare name along PATH, inside the container", () => {
    const process = { ...testSpec().process, args: ["ls", "-l"] };
    const plan = compileExec(process, { ...context, env: ["PATH=/opt/bin::/bin"], namespaces: [] });
    const find = plan.steps.find((step) => step.op.op === "find");
    expect(find?.op).toEqual({ op: "find", candidates: ["/opt/bin/ls", "./ls", "/bin/ls"] });
  });

  describe("in a pid namespace where it could be traced", () => {
    const scheduler = { policy: "SCHED_DEADLINE", nice: 0, priority: 0, flags: [], runtime: 1, deadline: 2, period: 3 };
    const process = { ...testSpec().process, terminal: true, scheduler, noNewPrivileges: false };
    const seccomp = { flags: 0, program: new BigUint64Array(1) };
    const plan = (types: readonly string[] = [], noNewPrivileges = false) =>
      compileExec(
        { ...process, noNewPrivileges },
        {
          ...{ ...context, seccomp, bornLast: true },
          namespaces: types.map((type) => ({ type, path: "" })),
        },
      );

    it("forks into it once it has dropped the privileges that it will not keep", () => {
      const { steps, bornOutside } = plan();
      const names = steps.map(({ op }) => op.op);
      const before = [
        "bounding",
        "drop",
        "write",
        "setsid",
        "session-keyring",
        "setns",
        "setns",
        "stdio",
        "rlimit",
        "umask",
        "chdir",
        "seccomp",
      ];
      const after = ["setsid", "ctty", "scheduler", "find", "exec"];
      expect(names).toEqual([...before, "user", "capset", "fork", ...after]);
      expect(steps.map(({ op }) => op).filter(({ op }) => op === "setns")).toMatchObject([
        { flags: 0x20000000 },
        { flags: joinFlags([]) },
      ]);
      expect(bornOutside).toBe(true);
    });

    it("installs its filter before that fork with noNewPrivileges too, and not again after it", () => {
      const names = plan([], true).steps.map(({ op }) => op.op);
      expect(names.slice(names.indexOf("capset"))).toEqual([
        ...["capset", "no-new-privs", "seccomp", "fork", "setsid", "ctty", "scheduler", "find", "exec"],
      ]);
    });

    it("does the same in a user namespace", () => {
      const names = plan(["user"]).steps.map(({ op }) => op.op);
      const before = [
        "drop",
        "write",
        "setsid",
        "session-keyring",
        "rlimit",
        "setns",
        "setns",
        "bounding",
        "drop",
        "stdio",
      ];
      expect(names.slice(0, names.indexOf("umask"))).toEqual(before);
      expect(names.slice(names.indexOf("fork"))).toEqual(["fork", "setsid", "ctty", "scheduler", "find", "exec"]);
    });
  });
});
