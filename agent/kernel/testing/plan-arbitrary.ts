import fc from "fast-check";
import type { Kind, ValueOf } from "../init/argument-kinds.ts";
import { OPS, type PlanOp } from "../init/plan.ts";

/** Bound of the slots in arbitrary plans. */
export const ARBITRARY_SLOTS = 8;

const u32 = fc.nat({ max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const text = fc.string({ unit: "binary", maxLength: 40 }).map((value) => value.replaceAll("\0", "").toWellFormed());

const VALUES: { readonly [K in Kind]: fc.Arbitrary<ValueOf<K>> } = {
  path: text.map((value) => `/${value}`),
  string: text,
  optional: text,
  strings: fc.array(text, { maxLength: 6 }),
  "some-strings": fc.array(text, { minLength: 1, maxLength: 6 }),
  slot: fc.nat({ max: ARBITRARY_SLOTS - 1 }),
  flag: fc.boolean(),
  from: fc.constantFrom("guest", "root"),
  u32,
  u64,
  numbers: fc.array(u32, { maxLength: 5 }),
  program: fc.array(u64, { minLength: 1, maxLength: 20 }).map((words) => BigUint64Array.from(words)),
  scheduler: fc.record({
    policy: u32,
    flags: u32,
    nice: fc.integer({ min: -20, max: 19 }),
    priority: fc.nat({ max: 99 }),
    runtime: fc.maxSafeNat(),
    deadline: fc.maxSafeNat(),
    period: fc.maxSafeNat(),
  }),
  cpus: fc.array(fc.nat({ max: 8191 }), { maxLength: 5 }),
};

function arbitraryOf(op: PlanOp["op"]): fc.Arbitrary<PlanOp> {
  const args: [string, Kind][] = Object.entries(OPS[op].args);
  const values = args.map(([name, kind]) => [name, VALUES[kind]] as const);
  const required = args.filter(([, kind]) => kind !== "optional").map(([name]) => name);
  const model: Record<string, fc.Arbitrary<unknown>> = { op: fc.constant(op), ...Object.fromEntries(values) };
  return fc.record(model, { requiredKeys: ["op", ...required] }) as fc.Arbitrary<unknown> as fc.Arbitrary<PlanOp>;
}

const ENDS = ["exec", "exit", "serve-files"] as const;
const names = Object.keys(OPS) as PlanOp["op"][];

/** An arbitrary of each operation except those that end a plan. */
export const arbitraryOps = names.filter((name) => !(ENDS as readonly string[]).includes(name)).map(arbitraryOf);

/** Plans that init must accept. */
export const arbitraryPlan: fc.Arbitrary<PlanOp[]> = fc
  .tuple(fc.array(fc.oneof(...arbitraryOps), { maxLength: 20 }), fc.oneof(...ENDS.map(arbitraryOf)))
  .map(([ops, last]) => [...ops.filter(isFirstFork), last]);

/** Keeps the first fork: a plan has at most one. */
function isFirstFork({ op }: PlanOp, index: number, ops: readonly PlanOp[]): boolean {
  return op !== "fork" || ops.findIndex((other) => other.op === "fork") === index;
}
