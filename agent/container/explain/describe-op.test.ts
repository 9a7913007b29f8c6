import fc from "fast-check";
import { expect, test } from "vitest";
import type { PlanOp } from "../../kernel/init/plan.ts";
import { arbitraryOps, arbitraryPlan } from "../../kernel/testing/plan-arbitrary.ts";
import { describeOp } from "./describe-op.ts";
import { detailOp } from "./detail-op.ts";

test.each(Object.keys(arbitraryOps) as (keyof typeof arbitraryOps)[])("%s has words of its own", (name) => {
  const [op] = fc.sample(arbitraryOps[name] as fc.Arbitrary<PlanOp>, 1);
  const { call, object } = describeOp(op as PlanOp);
  expect(call).toMatch(/^[a-z_0-9() -]+$/);
  expect(typeof object).toBe("string");
});

test("no operation shows an environment", () => {
  const secret = "SECRET-VALUE";
  fc.assert(
    fc.property(arbitraryPlan, (plan) => {
      const exec: PlanOp = { op: "exec", args: ["sh"], env: [`TOKEN=${secret}`] };
      const shown = [...plan, exec]
        .map((op) => `${Object.values(describeOp(op)).join(" ")} ${detailOp(op, [])}`)
        .join("\n");
      expect(shown).not.toContain(secret);
    }),
    { numRuns: 20 },
  );
});

test.each<[PlanOp, string]>([
  [{ op: "open-tree", from: "guest", path: "/a", recursive: true }, "bind (recursive) /a"],
  [{ op: "attach", target: "/proc", overProc: false }, "mount on /proc"],
  [{ op: "user", uid: 1, gid: 2, groups: [3] }, "set user 1:2"],
  [{ op: "rlimit", resource: 7, soft: 1n, hard: 2n ** 64n - 1n }, "setrlimit resource 7 to 1/18446744073709551615"],
  [{ op: "umask", mask: 0o22 }, "umask 22"],
  [{ op: "pivot" }, "pivot "],
])("an operation reads as a person would say it (%#)", (op, expected) => {
  const { call, object } = describeOp(op);
  expect(`${call} ${object}`).toBe(expected);
});
