import { constants } from "node:os";

/** Returns a signal's name, such as "SIGKILL", or its number if it has none. */
export function signalName(signal: number): string {
  return Object.entries(constants.signals).find(([, number]) => number === signal)?.[0] ?? `${signal}`;
}
