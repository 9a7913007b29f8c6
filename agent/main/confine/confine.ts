import type { RealSys } from "../../kernel/sys/sys.ts";
import { assembleFilter, type Machine } from "./call-filter.ts";
import {
  BPF,
  BPF_COMMANDS,
  MODULE_CALLS,
  NEWEST_CALL,
  REFUSED_CALLS,
  SOCKET,
  SOCKET_FAMILIES,
} from "./refused-calls.ts";

type ConfiningSys = Pick<RealSys, "refuseCalls" | "setDumpable">;

/**
 * Takes from the agent, and from the programs that it runs, what they never need: system calls, new privileges, core dumps.
 * Returns what this kernel can't do, a line for the log each. Its capabilities init has taken before (confine.c).
 */
export function confineAgent(sys: ConfiningSys, machine = process.arch): string[] {
  if (!isKnown(machine)) return [`no filter of system calls for ${machine}`];
  const filter = assembleFilter(machine, {
    refused: numbersOf(REFUSED_CALLS, machine),
    limited: [
      [BPF[machine] ?? -1, BPF_COMMANDS],
      [SOCKET[machine] ?? -1, SOCKET_FAMILIES],
    ],
    newest: NEWEST_CALL,
  });
  return [() => sys.setDumpable(false), () => sys.refuseCalls(filter)].flatMap(problemOf);
}

/** Refuses the loading of kernel modules from now on, by the agent and the programs that it runs. */
export function refuseModules(sys: ConfiningSys, machine = process.arch): string[] {
  if (!isKnown(machine)) return [];
  const filter = assembleFilter(machine, { refused: numbersOf(MODULE_CALLS, machine) });
  return problemOf(() => sys.refuseCalls(filter));
}

const isKnown = (machine: string): machine is Machine => machine === "x64" || machine === "arm64";

function numbersOf(calls: typeof REFUSED_CALLS, machine: Machine): number[] {
  return Object.values(calls).flatMap((call) => call[machine] ?? []);
}

function problemOf(step: () => void): string[] {
  try {
    step();
    return [];
  } catch (error) {
    return [String(error instanceof Error ? error.message : error)];
  }
}
