import { AgentError } from "../../kernel/error.ts";
import type { WriteFile } from "../../kernel/init/killable-write.ts";
import { stalledMicros } from "./pressure.ts";

/** What the memory agent asks of the kernel: files, read and written. */
export interface GuestMemory {
  /** Off the main thread. Rejects with Node's own error. */
  readText(path: string): Promise<string>;
  write: WriteFile;
  /** A debugfs that nobody else sees: the path of its root. Throws SystemError. */
  openDebugfs(): string;
  /** Where cgroup2 is mounted. */
  readonly cgroupRoot: string;
  /** Of a monotonic clock, ms. */
  now(): number;
  /** To the agent's log: what was done. */
  log(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** How long some task of the whole guest, or of a cgroup, waited for memory or disks, µs. */
export async function stalled({ readText, cgroupRoot }: GuestMemory, cgroup?: string): Promise<number> {
  const isWhole = cgroup === undefined || cgroup === "/";
  const pathOf = (what: string) => (isWhole ? `/proc/pressure/${what}` : `${cgroupRoot}${cgroup}/${what}.pressure`);
  const [memory, io] = [pathOf("memory"), pathOf("io")];
  return stalledMicros(memory, await readText(memory)) + stalledMicros(io, await readText(io));
}

/** Throws the line that a part without what it needs is refused with. */
export async function needs({ readText }: GuestMemory, path: string, what: string): Promise<string> {
  return readText(path).catch((cause: NodeJS.ErrnoException) => {
    throw unavailable(`this kernel has no ${what} (${path}: ${cause.code})`, cause);
  });
}

/** The contract's words first. */
export function unavailable(why: string, cause?: unknown): AgentError {
  return new AgentError("internal", `mem-agent is disabled: ${why}`, { cause });
}
