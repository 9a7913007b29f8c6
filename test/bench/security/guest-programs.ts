import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { type AttachedStrace, attachStrace } from "../syscalls/attached-strace.ts";
import type { Counts } from "../syscalls/count-calls.ts";
import { addCounts, parseSummary, SUMMARY } from "./call-summary.ts";

/** A process of the host that serves a guest. */
export interface GuestProgram {
  readonly name: string;
  readonly pid: number;
}

/** Finds guestctl's own process and everything below it, by parent. */
export function programsOf(guestctl: number): readonly GuestProgram[] {
  return below(guestctl).map((pid) => ({
    pid,
    name: pid === guestctl ? "guestctl, which keeps the guest" : basename(readlinkSync(`/proc/${pid}/exe`)),
  }));
}

function below(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(below)];
}

function threadsOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map(Number);
}

/** Describes a process's seccomp filter from /proc/PID/status. */
export function filterText(status: string): string {
  const value = (name: string) => new RegExp(`^${name}:\\s+(\\d+)$`, "m").exec(status)?.[1];
  if (value("Seccomp") === "0") return "no filter: every system call is allowed";
  return `filtered (Seccomp ${value("Seccomp")}, filters ${value("Seccomp_filters") ?? "unknown"})`;
}

/** Counts the system calls of these programs during `work`: one strace for each. */
export async function countDuring(
  programs: readonly GuestProgram[],
  directory: string,
  work: () => Promise<void>,
): Promise<ReadonlyMap<string, Counts>> {
  const file = ({ pid }: GuestProgram) => join(directory, `strace-${pid}`);
  const attached: AttachedStrace[] = [];
  for (const program of programs) {
    attached.push(await attachStrace([...SUMMARY, "-o", file(program)], [program.pid], threadsOf(program.pid)));
  }
  await work();
  for (const strace of attached) await strace.end();
  const counts = new Map<string, Counts>();
  for (const program of programs) {
    const its = parseSummary(readFileSync(file(program), "utf8"));
    counts.set(program.name, addCounts([counts.get(program.name) ?? new Map(), its]));
  }
  return counts;
}
