import { AgentError } from "../../kernel/error.ts";
import type { WriteFile } from "../../kernel/init/killable-write.ts";
import { stalledMicros } from "./pressure.ts";

/** The memory agent's access to the kernel: files it reads and writes. */
export interface GuestMemory {
  /** Reads off the main thread. Rejects with Node's own error. */
  readText(path: string): Promise<string>;
  write: WriteFile;
  /** Mounts a private debugfs and returns the path of its root. Throws SystemError. */
  openDebugfs(): string;
  /** Mount point of cgroup2. */
  readonly cgroupRoot: string;
  /** A monotonic clock in ms. */
  now(): number;
  /** Writes to the agent's log. */
  log(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Returns the total time in which some task of the guest, or of a cgroup, waited for memory or disks, in µs. */
export async function stalled({ readText, cgroupRoot }: GuestMemory, cgroup?: string): Promise<number> {
  const isWhole = cgroup === undefined || cgroup === "/";
  const pathOf = (what: string) => (isWhole ? `/proc/pressure/${what}` : `${cgroupRoot}${cgroup}/${what}.pressure`);
  const [memory, io] = [pathOf("memory"), pathOf("io")];
  return stalledMicros(memory, await readText(memory)) + stalledMicros(io, await readText(io));
}

/** Reads a file that a part needs. Throws the error that refuses the part if the file is missing. */
export async function needs({ readText }: GuestMemory, path: string, what: string): Promise<string> {
  return readText(path).catch((cause: NodeJS.ErrnoException) => {
    throw unavailable(`this kernel has no ${what} (${path}: ${cause.code})`, cause);
  });
}

/** Hosts know the text "mem-agent is disabled", so the message begins with it. */
export function unavailable(why: string, cause?: unknown): AgentError {
  return new AgentError("internal", `mem-agent is disabled: ${why}`, { cause });
}
