import { AgentError } from "./error.ts";
import type { Files } from "./files.ts";

/** A slot behind each bridge on the way, and the function in it: "02/03" or "1.1/00". */
export interface PciPath {
  readonly text: string;
  /** Number of the root bus: 0, or that of a PCI expander bridge. */
  readonly rootBus: number;
  readonly steps: readonly { readonly slot: number; readonly function: number }[];
}

const DEVICES = "/sys/bus/pci/devices";
const MAX_STEPS = 16;
const MAX_SLOT = 31;
/** Lowest number that a host gives to an expander bridge; of a path of three steps or more it is the first. */
const FIRST_EXPANDER_BUS = 0x20;
const SHORTEST_WITH_EXPANDER = 3;

/** Throws invalid-argument, naming what is wrong. Numbers are hexadecimal. */
export function parsePciPath(text: string): PciPath {
  const words = text.split("/");
  const bad = (why: string) => new AgentError("invalid-argument", `PCI path "${text.slice(0, 80)}": ${why}`);
  if (words.length > MAX_STEPS) throw bad(`more than ${MAX_STEPS} steps`);
  const wrong = words.find((word) => !/^[0-9a-f]{1,2}(\.[0-7])?$/i.test(word));
  if (wrong !== undefined) throw bad(`"${wrong}" is no slot, as in 1f or 1f.7`);
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

/** The device's directory in sysfs; undefined when it, or a bridge on the way, is not there now. */
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

/** Empty for a directory that is not there. */
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
