import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Console } from "../machine/console.ts";
import type { GuestNetwork } from "../machine/guest-network.ts";
import type { GuestOptions } from "../machine/guest-options.ts";
import { guestLog } from "../sandbox/guest-log.ts";
import { SandboxGuest } from "../sandbox/sandbox-guest.ts";
import type { SharedFolder } from "../sandbox/shared-folder.ts";
import type { GuestRecord } from "../state/state-records.ts";
import type { StateStore } from "../state/state-store.ts";

export interface KeptGuestOptions extends Pick<GuestOptions, "kernel" | "initrd" | "image" | "kernelArgs"> {
  readonly name: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly network?: GuestNetwork;
  readonly signal: AbortSignal;
  readonly onConsole?: (line: string) => void;
  /** True if the program that keeps it does other work too, so that it must not be ended with the guest. */
  readonly isEmbedded?: boolean;
}

/** Returns the path of a kept guest's console log. */
export function consoleFile(store: StateStore, guest: string): string {
  return join(store.directory(guest), "console.log");
}

/** Returns the path where guestctl copies a guest's agent log, since the agent's own is lost with the guest. */
export function agentLogFile(store: StateStore, guest: string): string {
  return join(store.directory(guest), "agent.log");
}

/** Boots a guest and records it for other guestctl commands. The caller ends the guest, then closes it in the store. */
export async function bootKeptGuest(
  store: StateStore,
  options: KeptGuestOptions,
  folder?: SharedFolder,
): Promise<{ guest: SandboxGuest; record: GuestRecord }> {
  const guest = await SandboxGuest.start({ ...options, consoleFile: consoleFile(store, options.name) }, folder).catch(
    (error: unknown) => {
      if (!options.signal.aborted) store.boots.add({ failed: true });
      throw error;
    },
  );
  store.boots.add({ accelerator: guest.guest.accelerator, ms: guest.timeline.check });
  const record: GuestRecord = {
    name: options.name,
    address: guest.address,
    logAddress: guest.logAddress,
    folder: guest.folder.directory,
    accelerator: guest.guest.accelerator,
    memoryMib: options.memoryMib,
    cpus: options.cpus,
    timeline: guest.timeline,
    ...(options.network === undefined ? {} : { network: options.network.kind }),
    ...(guest.networkAddress === undefined ? {} : { networkAddress: guest.networkAddress }),
    ...(options.isEmbedded ? { isEmbedded: true } : {}),
    bootedAt: new Date().toISOString(),
  };
  store.writeGuest(record);
  void keepAgentLog(guest.logAddress, agentLogFile(store, options.name), guest.ended);
  return { guest, record };
}

/** Milliseconds between connection attempts while the guest's next agent starts. */
const AGAIN_MS = 1000;

/**
 * Copies the agent's log to a file until the signal aborts, so that `logs` can show it after the guest died. Rotates to
 * `FILE.1` after 8 MiB. Never rejects.
 */
async function keepAgentLog(address: string, file: string, signal: AbortSignal): Promise<void> {
  const log = new Console({ file, lines: 1 });
  while (!signal.aborted) {
    try {
      for await (const line of guestLog(address, signal)) log.add(line);
    } catch {
      // The agent is restarting, or doesn't serve its log.
    }
    await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
