import { join } from "node:path";
import type { GuestOptions } from "../../machine/guest-options.ts";
import type { UserNetwork } from "../../machine/user-network.ts";
import { SandboxGuest } from "../../sandbox/sandbox-guest.ts";
import type { SharedFolder } from "../../sandbox/shared-folder.ts";
import type { GuestRecord } from "../state/state-records.ts";
import type { StateStore } from "../state/state-store.ts";
import { keepAgentLog } from "./agent-log-file.ts";

export interface KeptGuestOptions extends Pick<GuestOptions, "kernel" | "initrd" | "image" | "kernelArgs"> {
  readonly name: string;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly network?: UserNetwork;
  readonly signal: AbortSignal;
  readonly onConsole?: (line: string) => void;
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
  const guest = await SandboxGuest.start({ ...options, consoleFile: consoleFile(store, options.name) }, folder);
  const record: GuestRecord = {
    name: options.name,
    address: guest.address,
    logAddress: guest.logAddress,
    folder: guest.folder.directory,
    accelerator: guest.guest.accelerator,
    memoryMib: options.memoryMib,
    cpus: options.cpus,
    timeline: guest.timeline,
    ...(options.network === undefined ? {} : { network: "user" }),
    bootedAt: new Date().toISOString(),
  };
  store.writeGuest(record);
  void keepAgentLog(guest.logAddress, agentLogFile(store, options.name), guest.ended);
  return { guest, record };
}
