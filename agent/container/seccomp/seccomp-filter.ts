import { describeErrno } from "../../kernel/error.ts";
import { compileSeccomp, encodeSeccomp } from "../../kernel/sys/seccomp-compiler.ts";
import { refuse } from "../refuse.ts";
import { describeSeccomp } from "./describe-seccomp.ts";
import type { SeccompSpec } from "./seccomp-spec.ts";

/** Arguments of seccomp(2). */
export interface SeccompFilter {
  /** SECCOMP_FILTER_FLAG_*. */
  readonly flags: number;
  readonly program: BigUint64Array;
}

const SPEC_ALLOW = 4;
const FLAGS = new Map([
  // The process has one thread, so TSYNC changes nothing.
  ["SECCOMP_FILTER_FLAG_TSYNC", 0],
  ["SECCOMP_FILTER_FLAG_LOG", 2],
  ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", SPEC_ALLOW],
  // Affects only a listener, which this agent never creates; without one the kernel rejects the flag.
  ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0],
]);

/** Programs by packed description: a pod has few different ones, and all execs of a container share one. */
const programs = new Map<string, BigUint64Array>();
const MAX_PROGRAMS = 16;
/** Filters by spec object, so that an exec need not describe it again. */
const filters = new WeakMap<SeccompSpec, SeccompFilter>();

/**
 * Returns the filter for a spec, compiled once. Without flags it has SPEC_ALLOW, as with runc. Throws naming an
 * invalid field.
 */
export function seccompFilter(spec: SeccompSpec): SeccompFilter {
  const known = filters.get(spec);
  if (known !== undefined) return known;
  const filter = { flags: flagsOf(spec.flags), program: programOf(spec) };
  filters.set(spec, filter);
  return filter;
}

function programOf(spec: SeccompSpec): BigUint64Array {
  const { filter, fields } = describeSeccomp(spec);
  const description = encodeSeccomp(filter);
  const key = Buffer.from(description).toString("latin1");
  const known = programs.get(key);
  if (known !== undefined) return known;
  const program = compileSeccomp(description);
  if (!(program instanceof BigUint64Array)) {
    throw refuse(
      fields[program.entry] ?? "linux.seccomp",
      `is rejected by libseccomp: ${describeErrno(program.errno).code}`,
    );
  }
  const [oldest] = programs.keys();
  if (programs.size >= MAX_PROGRAMS && oldest !== undefined) programs.delete(oldest);
  programs.set(key, program);
  return program;
}

function flagsOf(names: readonly string[]): number {
  if (names.length === 0) return SPEC_ALLOW;
  let flags = 0;
  for (const name of names) {
    const bit = FLAGS.get(name);
    if (bit === undefined) throw refuse("linux.seccomp.flags", `"${name}" is not supported`);
    flags |= bit;
  }
  return flags;
}
