import { join } from "node:path";
import type { StateStore } from "../record/state-store.ts";

/** Returns the path of a kept guest's console log. */
export function consoleFile(store: StateStore, guest: string): string {
  return join(store.directory(guest), "console.log");
}

/** Returns the path where guestctl copies a guest's agent log, since the agent's own is lost with the guest. */
export function agentLogFile(store: StateStore, guest: string): string {
  return join(store.directory(guest), "agent.log");
}
