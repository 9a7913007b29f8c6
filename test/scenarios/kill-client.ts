import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { ConnectOptions } from "../../host/client/agent-client.ts";
import type { Machine } from "./machine.ts";

/** Time for the unread responses to be on their way. */
const UNREAD_MS = 200;

interface KilledClient {
  readonly container_id: string;
  readonly exec_id: string;
  /** Reads open at once of the output of the container's first process; 1 by default. */
  readonly reads?: number;
  /** Runs after the process has sent its requests, while it reads no response. */
  readonly whileItHangs?: () => Promise<unknown>;
}

/**
 * Kills a host's process by SIGKILL in the middle of reads, waits and a poll. In a guest, resolves when the agent has
 * noticed: until then the guest's kernel accepts what the agent writes.
 */
export async function killClient(
  machine: Machine,
  { protocol = "ttrpc" }: ConnectOptions,
  { container_id, exec_id, reads = 1, whileItHangs = () => sleep(UNREAD_MS) }: KilledClient,
): Promise<void> {
  const program = join(import.meta.dirname, "dying-client.ts");
  const before = await descriptors(machine);
  const child = spawn(process.execPath, [program, machine.address, protocol, container_id, exec_id, String(reads)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (data: Buffer) => (printed += data.toString()));
  const ended = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), ended]);
    await whileItHangs();
  } finally {
    child.kill("SIGKILL");
  }
  expect([await ended, printed]).toEqual([[null, "SIGKILL"], "sent\n"]);
  await expect.poll(() => descriptors(machine)).toBeLessThanOrEqual(before);
}

/** Counts the agent's descriptors in a guest; 0 in namespaces. */
async function descriptors({ real, shell }: Machine): Promise<number> {
  return real ? Number(await shell("ls /proc/$(pidof node)/fd | wc -l")) : 0;
}
