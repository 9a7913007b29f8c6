import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, vi } from "vitest";
import type { ConnectOptions } from "../../host/client/agent-client.ts";
import type { Machine } from "./machine.ts";

/** For the answers that it does not take to be on their way. */
const UNREAD_MS = 200;

interface KilledClient {
  readonly container_id: string;
  readonly exec_id: string;
  /** So many of the output of the container's first process at once. */
  readonly reads?: number;
  /** After it has asked, while it takes no answer. */
  readonly whileItHangs?: () => Promise<unknown>;
}

/**
 * A host's process dies by SIGKILL in the middle of reads, waits and a poll. In a guest resolves when the agent knows, as up to then
 * its kernel takes what is written.
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
  let said = "";
  child.stdout.on("data", (data: Buffer) => (said += data.toString()));
  const ended = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), ended]);
    await whileItHangs();
  } finally {
    child.kill("SIGKILL");
  }
  expect([await ended, said]).toEqual([[null, "SIGKILL"], "asked\n"]);
  await vi.waitFor(async () => expect(await descriptors(machine)).toBeLessThanOrEqual(before), { timeout: 10_000 });
}

/** Of the agent's in a guest. */
async function descriptors({ real, shell }: Machine): Promise<number> {
  return real ? Number(await shell("ls /proc/$(pidof node)/fd | wc -l")) : 0;
}
