import { AgentError } from "../error.ts";
import { loadAddon } from "./load-addon.ts";

/**
 * Interface of build/native/seccomp.node, which wraps libseccomp. agent/native/seccomp/seccomp.c defines the description's
 * format.
 */
interface SeccompAddon {
  compile(description: Uint8Array, failed: Int32Array): Uint8Array | number;
}

/** Compares an argument of a system call; `operator` is an enum scmp_compare. */
export interface SeccompCondition {
  readonly argument: number;
  readonly operator: number;
  readonly values: readonly [bigint, bigint];
}

/** Applies the action, a SECCOMP_RET_*, to a system call if all conditions hold. */
export interface SeccompAction {
  readonly action: number;
  readonly name: string;
  readonly conditions: readonly SeccompCondition[];
}

/** A filter as libseccomp takes it; the architectures are libseccomp's names. */
export interface SeccompDescription {
  readonly defaultAction: number;
  readonly architectures: readonly string[];
  readonly rules: readonly SeccompAction[];
}

const HEAD_BYTES = 12;
const RULE_BYTES = 8;
const CONDITION_BYTES = 24;
const NAME_BYTES = 64;

let addon: SeccompAddon | undefined;

/** Packs a description for the addon. Throws AgentError for a name that is too long. */
export function encodeSeccomp({ defaultAction, architectures, rules }: SeccompDescription): Uint8Array {
  const conditions = rules.reduce((sum, rule) => sum + rule.conditions.length, 0);
  const names = architectures.length + rules.length;
  const bytes = Buffer.alloc(
    HEAD_BYTES + names * NAME_BYTES + rules.length * RULE_BYTES + conditions * CONDITION_BYTES,
  );
  let at = 0;
  const u32 = (value: number) => {
    at = bytes.writeUInt32LE(value, at);
  };
  const name = (text: string) => {
    if (Buffer.byteLength(text) >= NAME_BYTES) {
      throw new AgentError(
        "invalid-argument",
        `seccomp filter: name ${text.slice(0, NAME_BYTES)}… is longer than ${NAME_BYTES - 1} bytes`,
      );
    }
    bytes.write(text, at);
    at += NAME_BYTES;
  };
  for (const value of [defaultAction, architectures.length, rules.length]) u32(value);
  for (const architecture of architectures) name(architecture);
  for (const rule of rules) {
    u32(rule.action);
    u32(rule.conditions.length);
    for (const { argument, operator, values } of rule.conditions) {
      u32(argument);
      u32(operator);
      for (const value of values) at = bytes.writeBigUInt64LE(value, at);
    }
    name(rule.name);
  }
  return bytes;
}

/**
 * Compiles a packed description to BPF instructions, one in each word. If libseccomp refuses it, returns the errno and the
 * failed entry: 0 is the default action, then come the architectures and the rules. The first call loads libseccomp.
 */
export function compileSeccomp(
  description: Uint8Array,
): BigUint64Array | { readonly entry: number; readonly errno: number } {
  addon ??= loadAddon<SeccompAddon>("seccomp.node");
  const failed = new Int32Array(1);
  const result = addon.compile(description, failed);
  if (typeof result === "number") return { entry: failed[0] ?? 0, errno: -result };
  // A copy, as the bytes may not be aligned to words.
  return new BigUint64Array(Uint8Array.from(result).buffer);
}
