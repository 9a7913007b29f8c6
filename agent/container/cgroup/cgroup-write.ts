import { AgentError } from "../../kernel/error.ts";

/** One write to a file of a cgroup v2 directory. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
  /** Spec field that the value comes from, without "linux.resources.". */
  readonly field: string;
  /**
   * True if the limit holds even without the file (swap limits on a kernel without swap accounting), so the file may be
   * missing.
   */
  readonly optional?: true;
  /**
   * Error codes at which the write is skipped with a notice, because the guest doesn't have the resource. Set for
   * limits on hardware, such as CPUs and page sizes: hosts send those of their own machine.
   */
  readonly skipOn?: readonly string[];
  /** Written instead if the file doesn't exist. */
  readonly instead?: { readonly file: string; readonly value: string; readonly field: string };
}

/** Returns the write of a limit in the kernel's form, or none for 0, which means unset. */
export function limitWrites(file: string, field: string, value = 0): CgroupWrite[] {
  if (value === 0) return [];
  if (value < -1) throw refuseResource(field, `${value} is negative; -1 is unlimited`);
  return [{ file, value: value === -1 ? "max" : String(value), field }];
}

/** The error for an invalid resource; `field` comes without "linux.resources.". */
export function refuseResource(field: string, why: string): AgentError {
  return new AgentError("invalid-argument", `OCI spec: linux.resources.${field} ${why}`);
}
