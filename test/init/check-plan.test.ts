import { execFileSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { OPS, type PlanOp } from "../../agent/kernel/init/plan.ts";
import { encodePlan } from "../../agent/kernel/init/plan-encode.ts";
import { ARBITRARY_SLOTS, arbitraryOps, arbitraryPlan } from "../../agent/kernel/testing/plan-arbitrary.ts";
import { compileC, SANITIZED } from "../testing/compile-c.ts";

const repository = join(import.meta.dirname, "../..");
const program = join(repository, "build/test/check-plan");

beforeAll(() => {
  const sources = [join(import.meta.dirname, "check-plan.c"), join(repository, "agent/native/init/plan.c")];
  compileC(sources, program, SANITIZED);
});

/** Runs init's own check (under ASan and UBSan) on each plan; returns "result, index of the bad operation" lines. */
function check(plans: readonly Uint8Array[], slots = ARBITRARY_SLOTS): string[] {
  const input = plans.flatMap((plan) => [Buffer.from(new Uint32Array([plan.length, slots]).buffer), plan]);
  return execFileSync(program, { input: Buffer.concat(input), maxBuffer: 1 << 26 })
    .toString()
    .trim()
    .split("\n");
}

test("init accepts every plan that the agent can encode", () => {
  const plans = fc.sample(arbitraryPlan, 500);
  expect(check(plans.map(encodePlan))).toEqual(plans.map(() => "0 0"));
});

test("init accepts a plan of each single operation, and refuses it if the operation's slot doesn't exist", () => {
  const exec: PlanOp = { op: "exec", args: ["x"], env: [] };
  const plans = arbitraryOps.map((op): PlanOp[] => [...fc.sample(op, 1), exec]);
  expect(check(plans.map(encodePlan)).every((line) => line.startsWith("0 "))).toBe(true);
  const withSlot = plans.map(([op]) => (op !== undefined && hasSlot(op) ? "-22 0" : "0 0"));
  expect(check(plans.map(encodePlan), 0)).toEqual(withSlot);
});

function hasSlot({ op }: PlanOp): boolean {
  return Object.values<string>(OPS[op].args).includes("slot");
}

test("init refuses a plan that is truncated anywhere", () => {
  const [plan = []] = fc.sample(arbitraryPlan, 1);
  const bytes = encodePlan(plan);
  const cuts = Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length));
  expect(check(cuts).every((line) => line.startsWith("-74 "))).toBe(true);
});

test("init never reads outside a plan in which any one byte is changed", () => {
  const plans = fc.sample(arbitraryPlan, 20).flatMap((plan) => {
    const bytes = encodePlan(plan);
    return Array.from({ length: 200 }, (_, seed) => {
      const changed = Uint8Array.from(bytes);
      changed[(seed * 7919) % bytes.length] = (seed * 31) & 0xff;
      return changed;
    });
  });
  expect(check(plans)).toHaveLength(plans.length);
});
