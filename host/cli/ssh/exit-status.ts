import { constants } from "node:os";
import type { ProcessEnd } from "../../client/streams/attachment.ts";

/** Signals that RFC 4254 names. */
const NAMES = [
  "ABRT",
  "ALRM",
  "FPE",
  "HUP",
  "ILL",
  "INT",
  "KILL",
  "PIPE",
  "QUIT",
  "SEGV",
  "TERM",
  "USR1",
  "USR2",
] as const;

/** Returns the number of an SSH signal, "TERM" or "SIGTERM"; undefined if Linux has none of that name. */
export function signalNumber(name: string): number | undefined {
  const signals: Readonly<Record<string, number>> = constants.signals;
  return signals[name.startsWith("SIG") ? name : `SIG${name}`];
}

/** Returns the exit status, or the name of the signal for exit-signal. A signal without a name there is 128 + its number. */
export function exitStatus({ code, signal }: Pick<ProcessEnd, "code" | "signal">): number | (typeof NAMES)[number] {
  return NAMES.find((name) => signal !== 0 && signalNumber(name) === signal) ?? code;
}
