import { refuse } from "../refuse.ts";
import type { SeccompRule, SeccompSpec } from "./seccomp-spec.ts";

const EPERM = 1;
/** SECCOMP_RET_* with room for an errno, or what a tracer gets. */
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

/** enum scmp_compare. */
const OPERATORS = new Map(
  ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name, index) => [`SCMP_CMP_${name}`, index + 1]),
);

const MAX_ERRNO = 0xffff;
/** For all architectures together: the kernel takes so many instructions, and libseccomp ever longer for more. */
const MAX_CONDITIONS = 4096;
const MAX_UINT64 = 2n ** 64n - 1n;

/** A filter for seccomp.node: lines, and for each the field of the spec that it comes from. */
export interface SeccompDescription {
  readonly text: string;
  readonly fields: readonly string[];
}

/**
 * As runc and crun have it: a rule with the default action adds nothing, unknown names of calls are left out, and
 * conditions that name one argument twice count one by one (else all must hold). Throws what names a field that can't be.
 */
export function describeSeccomp(spec: SeccompSpec): SeccompDescription {
  const lines: string[] = [];
  const fields: string[] = [];
  const known = new Set<string>();
  let count = 0;
  const add = (field: string, line: string) => {
    fields.push(field);
    lines.push(`${line}\n`);
  };
  const fallback = actionOf("linux.seccomp.defaultAction", spec.defaultAction, spec.defaultErrnoRet);
  add("linux.seccomp.defaultAction", `default ${fallback}`);
  for (const architecture of spec.architectures) {
    const field = `linux.seccomp.architectures "${architecture}"`;
    const [, name] = /^SCMP_ARCH_(\w{1,40})$/.exec(architecture) ?? [];
    if (name === undefined) throw refuse(field, "is not one of libseccomp");
    add(field, `arch ${name.toLowerCase()}`);
  }
  for (const [index, rule] of spec.syscalls.entries()) {
    const field = `linux.seccomp.syscalls[${index}]`;
    const action = actionOf(`${field}.action`, rule.action, rule.errnoRet);
    if (rule.names.length === 0) throw refuse(`${field}.names`, "is empty");
    const conditions = conditionsOf(field, rule.args);
    if (action === fallback) continue;
    for (const name of rule.names) {
      if (!/^\w{1,63}$/.test(name)) continue;
      for (const condition of conditions) {
        const line = `rule ${action} ${name}${condition}`;
        if (known.has(line)) continue;
        known.add(line);
        count += (rule.args.length / conditions.length) * Math.max(1, spec.architectures.length);
        if (count > MAX_CONDITIONS) {
          throw refuse(
            field,
            `is one too many: with those before, more than ${MAX_CONDITIONS} conditions for all architectures`,
          );
        }
        add(`${field} "${name}"`, line);
      }
    }
  }
  return { text: lines.join(""), fields };
}

/** In hexadecimal. */
function actionOf(field: string, name: string, errno: number | undefined): string {
  const action = ACTIONS.get(name);
  if (name === "SCMP_ACT_NOTIFY") throw refuse(`${field} "${name}"`, "is not supported: it needs a listener");
  if (action === undefined) throw refuse(field, `"${name}" is not an action of seccomp`);
  if (!action.hasErrno) {
    if (errno !== undefined) throw refuse(field, `"${name}" takes no errno, and ${errno} was given`);
    return action.code.toString(16);
  }
  if (errno !== undefined && errno > MAX_ERRNO) throw refuse(field, `has the errno ${errno}, more than ${MAX_ERRNO}`);
  return (action.code | (errno ?? EPERM)).toString(16);
}

/** The ends of the lines of one rule. */
function conditionsOf(field: string, args: SeccompRule["args"]): readonly string[] {
  const conditions = args.map(({ index, value, valueTwo, op }, at) => {
    const operator = OPERATORS.get(op);
    const name = `${field}.args[${at}]`;
    if (operator === undefined) throw refuse(`${name}.op`, `"${op}" is not an operator of seccomp`);
    if (!Number.isInteger(index) || index < 0 || index > 5) throw refuse(`${name}.index`, `${index} is outside 0..5`);
    for (const number of [value, valueTwo]) {
      if (!/^\d{1,20}$/.test(number) || BigInt(number) > MAX_UINT64)
        throw refuse(name, `${number} is no 64-bit number`);
    }
    return ` ${index} ${operator} ${value} ${valueTwo}`;
  });
  const isApart = new Set(args.map(({ index }) => index)).size === args.length;
  return isApart ? [conditions.join("")] : conditions;
}
