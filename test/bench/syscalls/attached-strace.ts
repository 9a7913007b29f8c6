import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A strace that follows running processes until `end`, after which its output file is complete. */
export interface AttachedStrace {
  end(): Promise<void>;
}

/** Attaches `strace -f` with these options. Resolves once it traces all of the threads. */
export async function attachStrace(
  options: readonly string[],
  pids: readonly number[],
  threads: readonly number[],
): Promise<AttachedStrace> {
  const processes = pids.flatMap((pid) => ["-p", String(pid)]);
  const strace = spawn("strace", ["-f", ...options, ...processes], { stdio: ["ignore", "ignore", "pipe"] });
  await traced(threads, strace.pid);
  return { end: () => ended(strace) };
}

/** Resolves once this tracer is attached to all of them. */
async function traced(threads: readonly number[], tracer = -1): Promise<void> {
  const has = (thread: number) =>
    new RegExp(`^TracerPid:\\s+${tracer}$`, "m").test(readFileSync(`/proc/${thread}/status`, "utf8"));
  for (let tries = 0; !threads.every(has); tries++) {
    if (tries === 500) throw new Error("strace did not attach");
    await sleep(10);
  }
}

async function ended(strace: ChildProcess): Promise<void> {
  const exit = once(strace, "exit");
  strace.kill("SIGINT");
  await exit;
}
