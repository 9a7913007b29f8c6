import type { SeccompAction, SeccompCondition, SeccompDescription } from "../../kernel/sys/seccomp-compiler.ts";
import { refuse } from "../refuse.ts";
import type { SeccompRule, SeccompSpec } from "./seccomp-spec.ts";

const EPERM = 1;
/** SECCOMP_RET_*. Some carry an errno, or the number that a tracer gets. */
const ACTIONS = new Map<string, { readonly code: number; readonly hasErrno?: boolean }>([
  ["SCMP_ACT_KILL", { code: 0 }],
  ["SCMP_ACT_KILL_THREAD", { code: 0 }],
  ["SCMP_ACT_KILL_PROCESS", { code: 0x80000000 }],
  ["SCMP_ACT_TRAP", { code: 0x00030000 }],
  ["SCMP_ACT_ERRNO", { code: 0x00050000, hasErrno: true }],
  ["SCMP_ACT_TRACE", { code: 0x7ff00000, hasErrno: true }],
  ["SCMP_ACT_LOG", { code: 0x7ffc0000 }],
  ["SCMP_ACT_ALLOW", { code: 0x7fff0000 }],
]);

/** Values of libseccomp's enum scmp_compare. */
const OPERATORS = new Map(
  ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name, index) => [`SCMP_CMP_${name}`, index + 1]),
);

const MAX_ERRNO = 0xffff;
/**
 * Most conditions, for all architectures together. The kernel accepts as many instructions, and libseccomp's time
 * grows faster than linearly.
 */
const MAX_CONDITIONS = 4096;
const MAX_UINT64 = 2n ** 64n - 1n;

/** A filter, and the spec's field of each of its entries: default action, architectures, rules. */
export interface DescribedSeccomp {
  readonly filter: SeccompDescription;
  readonly fields: readonly string[];
}

/**
 * Translates a spec's filter as runc and crun do: a rule with the default action adds nothing, unknown system calls
 * are ignored, and all conditions of a rule must hold, or any one of them if two name the same argument. Throws
 * naming a field that is invalid.
 */
export function describeSeccomp(spec: SeccompSpec): DescribedSeccomp {
  const architectures: string[] = [];
  const rules: SeccompAction[] = [];
  const fields = ["linux.seccomp.defaultAction"];
  const known = new Set<string>();
  let count = 0;
  const defaultAction = actionOf("linux.seccomp.defaultAction", spec.defaultAction, spec.defaultErrnoRet);
  for (const architecture of spec.architectures) {
    const field = `linux.seccomp.architectures "${architecture}"`;
    const [, name] = /^SCMP_ARCH_(\w{1,40})$/.exec(architecture) ?? [];
    if (name === undefined) throw refuse(field, "is not an architecture of libseccomp");
    fields.push(field);
    architectures.push(name.toLowerCase());
  }
  for (const [index, rule] of spec.syscalls.entries()) {
    const field = `linux.seccomp.syscalls[${index}]`;
    const action = actionOf(`${field}.action`, rule.action, rule.errnoRet);
    if (rule.names.length === 0) throw refuse(`${field}.names`, "is empty");
    const alternatives = conditionsOf(field, rule.args);
    if (action === defaultAction) continue;
    for (const name of rule.names) {
      if (!/^\w{1,63}$/.test(name)) continue;
      for (const { conditions, text } of alternatives) {
        const key = `${action} ${name}${text}`;
        if (known.has(key)) continue;
        known.add(key);
        count += conditions.length * Math.max(1, spec.architectures.length);
        if (count > MAX_CONDITIONS) {
          throw refuse(field, `exceeds the limit of ${MAX_CONDITIONS} conditions for all rules and architectures`);
        }
        fields.push(`${field} "${name}"`);
        rules.push({ action, name, conditions });
      }
    }
  }
  return { filter: { defaultAction, architectures, rules }, fields };
}

function actionOf(field: string, name: string, errno: number | undefined): number {
  const action = ACTIONS.get(name);
  if (name === "SCMP_ACT_NOTIFY") throw refuse(`${field} "${name}"`, "is not supported: it needs a listener");
  if (action === undefined) throw refuse(field, `"${name}" is not a seccomp action`);
  if (!action.hasErrno) {
    if (errno !== undefined) throw refuse(field, `"${name}" takes no errno, but ${errno} was given`);
    return action.code;
  }
  if (errno !== undefined && errno > MAX_ERRNO) throw refuse(field, `has the errno ${errno}, above ${MAX_ERRNO}`);
  return action.code | (errno ?? EPERM);
}

interface Alternative {
  readonly conditions: readonly SeccompCondition[];
  /** Key of the conditions, for comparison. */
  readonly text: string;
}

/** Returns the conditions of a rule as alternatives; within one, all must hold. */
function conditionsOf(field: string, args: SeccompRule["args"]): readonly Alternative[] {
  const each = args.map(({ index, value, valueTwo, op }, at): Alternative => {
    const operator = OPERATORS.get(op);
    const name = `${field}.args[${at}]`;
    if (operator === undefined) throw refuse(`${name}.op`, `"${op}" is not a seccomp operator`);
    if (!Number.isInteger(index) || index < 0 || index > 5) throw refuse(`${name}.index`, `${index} is outside 0..5`);
    for (const number of [value, valueTwo]) {
      if (!/^\d{1,20}$/.test(number) || BigInt(number) > MAX_UINT64)
        throw refuse(name, `${number} is not a 64-bit number`);
    }
    const conditions = [{ argument: index, operator, values: [BigInt(value), BigInt(valueTwo)] as const }];
    return { conditions, text: ` ${index} ${operator} ${value} ${valueTwo}` };
  });
  const isApart = new Set(args.map(({ index }) => index)).size === args.length;
  if (!isApart) return each;
  return [{ conditions: each.flatMap(({ conditions }) => conditions), text: each.map(({ text }) => text).join("") }];
}
