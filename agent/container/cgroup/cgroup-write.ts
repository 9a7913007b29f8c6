import { AgentError } from "../../kernel/error.ts";

/** One write to a file of a cgroup v2 directory. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
  /** Where it comes from, without "linux.resources.". */
  readonly field: string;
  /** The limit holds without the file as well (swap limits on a kernel without swap accounting): a missing one is fine. */
  readonly optional?: true;
  /**
   * It speaks of what machines have, as processors and sizes of pages, and hosts send what theirs has: at one of these
   * codes of errors the guest hasn't got it, and the write is left out with a line in the log.
   */
  readonly leftOutAt?: readonly string[];
  /** Written instead when the file isn't there. */
  readonly instead?: { readonly file: string; readonly value: string; readonly field: string };
}

/** A limit as the kernel takes it; nothing for 0, which is "not given". */
export function limitWrites(file: string, field: string, value = 0): CgroupWrite[] {
  if (value === 0) return [];
  if (value < -1) throw refuseResource(field, `${value} is negative; -1 is unlimited`);
  return [{ file, value: value === -1 ? "max" : String(value), field }];
}

/** `field` without "linux.resources.". */
export function refuseResource(field: string, why: string): AgentError {
  return new AgentError("invalid-argument", `OCI spec: linux.resources.${field} ${why}`);
}
