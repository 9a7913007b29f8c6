import { AgentError } from "./error.ts";
import type { Files } from "./files.ts";

/** A device's PCI path: the slot behind each bridge, with an optional function: "02/03" or "1.1/00". */
export interface PciPath {
  readonly text: string;
  /** Number of the root bus: 0, or the bus of a PCI expander bridge. */
  readonly rootBus: number;
  readonly steps: readonly { readonly slot: number; readonly function: number }[];
}

const DEVICES = "/sys/bus/pci/devices";
const MAX_STEPS = 16;
const MAX_SLOT = 31;
/** Lowest bus number that hosts give to an expander bridge; it may begin a path of three or more steps. */
const FIRST_EXPANDER_BUS = 0x20;
const SHORTEST_WITH_EXPANDER = 3;

/** Parses a PCI path; numbers are hexadecimal. Throws AgentError "invalid-argument" naming the faulty part. */
export function parsePciPath(text: string): PciPath {
  const words = text.split("/");
  const bad = (why: string) => new AgentError("invalid-argument", `PCI path "${text.slice(0, 80)}": ${why}`);
  if (words.length > MAX_STEPS) throw bad(`more than ${MAX_STEPS} steps`);
  const wrong = words.find((word) => !/^[0-9a-f]{1,2}(\.[0-7])?$/i.test(word));
  if (wrong !== undefined) throw bad(`"${wrong}" isn't a slot such as 1f or 1f.7`);
  const [first = ""] = words;
  const bus = Number.parseInt(first, 16);
  const expander = words.length >= SHORTEST_WITH_EXPANDER && bus >= FIRST_EXPANDER_BUS && !first.includes(".");
  const steps = words.slice(expander ? 1 : 0).map((word) => {
    const [slot = "", fn = "0"] = word.split(".");
    return { slot: Number.parseInt(slot, 16), function: Number(fn) };
  });
  const far = steps.find(({ slot }) => slot > MAX_SLOT);
  if (far !== undefined) throw bad(`slot ${far.slot.toString(16)} is over 1f`);
  return { text, rootBus: expander ? bus : 0, steps };
}

/** Returns the device's directory in sysfs; undefined if it or a bridge before it doesn't exist now. */
export function findPciDevice(files: Pick<Files, "exists" | "list">, path: PciPath): string | undefined {
  let bus = `0000:${hex(path.rootBus)}`;
  for (const [index, step] of path.steps.entries()) {
    const device = `${DEVICES}/${bus}:${hex(step.slot)}.${step.function}`;
    if (!files.exists(device)) return undefined;
    if (index === path.steps.length - 1) return device;
    const behind = namesIn(files, `${device}/pci_bus`)[0];
    if (behind === undefined) return undefined;
    bus = behind;
  }
  return undefined;
}

/** Lists a directory; empty if it doesn't exist. */
export function namesIn(files: Pick<Files, "list">, directory: string): string[] {
  try {
    return files.list(directory);
  } catch {
    return [];
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}
