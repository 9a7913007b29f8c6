import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryPlan } from "../testing/plan-arbitrary.ts";
import { KINDS, type Kind, type SchedAttributes } from "./argument-kinds.ts";
import { MAX_PLAN_BYTES, OPS, type PlanOp } from "./plan.ts";
import { encodePlan } from "./plan-encode.ts";

/** Operations of plan.h: name and kinds of arguments. */
const listed = [
  ...readFileSync(join(import.meta.dirname, "../../native/init/plan.h"), "utf8").matchAll(/X\((\w+), "(\w*)"\)/g),
].map(([, name = "", kinds = ""]) => ({ name: name.replaceAll("_", "-"), kinds }));

type Value = number | bigint | string | undefined | readonly (string | number | bigint)[];

/** Decodes a plan by the table of plan.h alone. */
function decode(bytes: Uint8Array): { name: string; values: Value[] }[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [ops = 0, words = 0, strings = 0] = [4, 8, 12].map((at) => view.readUInt32LE(at));
  const wordsAt = 32 + ops * 32;
  const stringsAt = wordsAt + words * 8;
  expect(stringsAt + strings).toBe(bytes.length);
  const string = (offset: number) => view.toString("utf8", stringsAt + offset, view.indexOf(0, stringsAt + offset));
  const word = (index: number) => Number(view.readBigUInt64LE(wordsAt + index * 8));
  return Array.from({ length: ops }, (_, index) => {
    let at = 32 + index * 32;
    const u32 = () => {
      at += 4;
      return view.readUInt32LE(at);
    };
    const { name, kinds } = listed[view.readUInt32LE(at) - 1] ?? { name: "unknown", kinds: "" };
    const values = [...kinds].map((kind): Value => {
      const first = u32();
      if (kind === "p" || kind === "s") return string(first);
      if (kind === "o") return first === 0xffffffff ? undefined : string(first);
      if (kind === "q") return BigInt(first) + (BigInt(u32()) << 32n);
      if (kind === "a" || kind === "A") return Array.from({ length: u32() }, (_, i) => string(word(first + i)));
      if (kind === "n") return Array.from({ length: u32() }, (_, i) => word(first + i));
      if (kind === "P") {
        return Array.from({ length: u32() }, (_, i) => view.readBigUInt64LE(wordsAt + (first + i) * 8));
      }
      return first;
    });
    return { name, values };
  });
}

/** The values of an operation's arguments as `decode` returns them. */
function fields(op: PlanOp): { name: string; values: Value[] } {
  const values = Object.entries<Kind>(OPS[op.op].args).map(([name, kind]) =>
    expected(kind, (op as unknown as Record<string, unknown>)[name]),
  );
  return { name: op.op, values };
}

function expected(kind: Kind, value: unknown): Value {
  if (kind === "from") return value === "root" ? 1 : 0;
  if (kind === "flag") return Number(value);
  if (kind === "program") return [...(value as BigUint64Array)];
  if (kind === "scheduler") {
    const { policy, flags, nice, priority, runtime, deadline, period } = value as SchedAttributes;
    const half = (low: number, high: number) => BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n);
    return [half(48, policy), BigInt(flags), half(nice, priority), ...[runtime, deadline, period].map(BigInt)];
  }
  if (kind === "cpus") {
    const cpus = value as number[];
    const mask = cpus.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n);
    const words = Math.floor(Math.max(0, ...cpus) / 64) + 1;
    return Array.from({ length: words }, (_, i) => BigInt.asUintN(64, mask >> BigInt(64 * i)));
  }
  return value as Value;
}

test("every encoded plan can be decoded by the list in plan.h", () => {
  fc.assert(
    fc.property(arbitraryPlan, (plan) => {
      expect(decode(encodePlan(plan))).toEqual(plan.map(fields));
    }),
    { numRuns: 300 },
  );
});

test("each operation has its code and the kinds of its arguments in plan.h", () => {
  const rows = Object.entries(OPS).map(([name, { code, args }]) => {
    const kinds = Object.values<Kind>(args).map((kind) => KINDS[kind].letter);
    return { code, name, kinds: kinds.join("") };
  });
  expect(rows.sort((a, b) => a.code - b.code)).toEqual(listed.map((row, index) => ({ code: index + 1, ...row })));
});

test("equal plans are encoded to equal bytes that end with a zero byte", () => {
  fc.assert(
    fc.property(arbitraryPlan, (plan) => {
      const bytes = encodePlan(plan);
      expect(encodePlan(structuredClone(plan))).toEqual(bytes);
      expect(bytes.at(-1)).toBe(0);
      expect(bytes.length).toBeLessThanOrEqual(MAX_PLAN_BYTES);
    }),
  );
});

test("flags with the highest bit set may be given as negative numbers", () => {
  const plan = (flags: number): PlanOp[] => [{ op: "unshare", flags }];
  expect(encodePlan(plan(-0x80000000))).toEqual(encodePlan(plan(0x80000000)));
});

test.each<[string, PlanOp, string]>([
  ["a zero byte in a path", { op: "chdir", path: "/a\0b" }, "a string contains a zero byte"],
  ["a zero byte in an argument", { op: "exec", args: ["a\0"], env: [] }, "a string contains a zero byte"],
  ["a fraction", { op: "umask", mask: 1.5 }, "1.5 isn't a 32-bit number"],
  ["a number above 32 bits", { op: "wait", slot: 2 ** 32 }, "4294967296 isn't a 32-bit number"],
  ["a negative mask", { op: "ambient", mask: -1n }, "-1 isn't an unsigned 64-bit number"],
  ["a mask above 64 bits", { op: "bounding", mask: 2n ** 64n }, "18446744073709551616 isn't an unsigned 64-bit number"],
  ["a BPF program without instructions", { op: "seccomp", flags: 0, program: new BigUint64Array() }, "0 words of data"],
  ["a long BPF program", { op: "seccomp", flags: 0, program: new BigUint64Array(4097) }, "4097 words of data"],
  ["a negative group", { op: "user", uid: 0, gid: 0, groups: [-1] }, "-1 isn't a group id"],
])("%s is refused, naming the operation", (_, op, message) => {
  const encode = () => encodePlan([{ op: "setsid" }, op]);
  expect(encode).toThrow(
    expect.objectContaining({ kind: "invalid-argument", message: `launch plan, operation 1 (${op.op}): ${message}` }),
  );
});

test("a plan of more than 16 MiB is refused, one just below is accepted", () => {
  const plan = (length: number): PlanOp[] => [{ op: "exec", args: ["x".repeat(length)], env: [] }];
  expect(encodePlan(plan(MAX_PLAN_BYTES - 200)).length).toBeLessThan(MAX_PLAN_BYTES);
  const why = "the plan is larger than 16777216 bytes; shorten arguments or environment";
  const message = `launch plan, operation 0 (exec): ${why}`;
  expect(() => encodePlan(plan(MAX_PLAN_BYTES))).toThrow(
    expect.objectContaining({ kind: "invalid-argument", message }),
  );
  const many: PlanOp[] = [{ op: "exec", args: [], env: new Array<string>(2_000_000).fill("") }];
  expect(() => encodePlan(many)).toThrow(/the plan is larger/);
});
