import { describe, expect, test } from "vitest";
import { capabilityMask, capabilityNames } from "../../kernel/capabilities.ts";
import { CLONE_NEWNS, CLONE_NEWUSER } from "../../kernel/constants.ts";
import type { PlanOp } from "../../kernel/init/plan.ts";
import { dropCapabilities } from "./drop-capabilities.ts";

const EXEC: PlanOp = { op: "exec", args: ["x"], env: [] };
const FIND: PlanOp = { op: "find", candidates: ["/x"] };
const KILL = capabilityMask(["KILL"]);
const BOUNDING: PlanOp = { op: "bounding", mask: KILL };
const CAPSET: PlanOp = { op: "capset", effective: KILL, permitted: KILL, inheritable: 0n };

/** Names of the operations; a drop with the capabilities that it leaves. */
function dropped(...ops: readonly PlanOp[]): string[] {
  const { steps } = dropCapabilities({ steps: ops.map((op) => ({ op, reason: "" })), slots: ["ns:user", "init"] });
  return steps.map(({ op }) => (op.op === "drop" ? `drop to ${capabilityNames(op.mask)}` : op.op));
}

describe("a plan begins with a drop", () => {
  test("to what its operations and its final process need, after setting the final bounding set", () => {
    const ops: PlanOp[] = [{ op: "setns", slot: 1, flags: CLONE_NEWNS }, BOUNDING, CAPSET, FIND, EXEC];
    expect(dropped(...ops)).toEqual([
      ...["bounding", "drop to KILL SYS_CHROOT SYS_PTRACE SYS_ADMIN", "setns", "capset", "find", "exec"],
    ]);
  });

  test("to what the final process needs, if no operation needs more", () => {
    expect(dropped({ op: "umask", mask: 0 }, CAPSET, EXEC)).toEqual(["drop to KILL", "umask", "capset", "exec"]);
  });

  test("without capabilities that are only needed after the process has its final ones", () => {
    const ops: PlanOp[] = [CAPSET, { op: "fork", flags: 0 }, { op: "ctty" }, EXEC];
    expect(dropped(...ops)[0]).toBe("drop to KILL");
  });

  test("and has another drop after each step into a user namespace, which has its own bounding set", () => {
    const user: PlanOp = { op: "setns", slot: 0, flags: CLONE_NEWUSER };
    expect(dropped({ op: "rlimit", resource: 1, soft: 0n, hard: 0n }, user, FIND, BOUNDING, CAPSET, EXEC)).toEqual([
      ...["drop to SYS_ADMIN SYS_RESOURCE", "rlimit", "setns"],
      ...["bounding", "drop to KILL", "find", "capset", "exec"],
    ]);
  });

  test("even if it runs no program", () => {
    expect(dropped({ op: "unshare", flags: 0 }, { op: "exit" })).toEqual(["drop to SYS_ADMIN", "unshare", "exit"]);
  });

  test.each<[string, readonly PlanOp[]]>([
    ["its program keeps all of init's capabilities", [{ op: "chdir", path: "/" }, FIND, EXEC]],
    ["a file system keeps using its mounter's credentials", [{ op: "fsopen", type: "overlay" }, CAPSET, EXEC]],
    ["its process has all capabilities", [{ ...CAPSET, permitted: 2n ** 64n - 1n }, EXEC]],
  ])("unless %s", (_why, ops) => {
    expect(dropped(...ops)).toEqual(ops.map(({ op }) => op));
  });
});
