import { AgentError } from "../../kernel/error.ts";

/** Of the part that takes back cold memory, cgroup by cgroup. Limits are percent of time that some task waited for memory or disks. */
export interface MemcgSettings {
  readonly disabled: boolean;
  /** Anonymous memory too, where there is swap. */
  readonly swap: boolean;
  /** 0–200, as the kernel's own. */
  readonly swappinessMax: number;
  readonly periodSecs: number;
  /** Of the period that has passed: over it nothing is done. */
  readonly periodPsiPercentLimit: number;
  /** Of the time that it takes: over it no more is taken. */
  readonly evictionPsiPercentLimit: number;
  /** How often a cgroup's memory is to be aged before any of it is taken. */
  readonly evictionRunAgingCountMin: number;
}

/** Of the part that makes large free blocks of small ones. */
export interface CompactSettings {
  readonly disabled: boolean;
  readonly periodSecs: number;
  readonly periodPsiPercentLimit: number;
  /** Of the time that it takes: over it it is ended. */
  readonly compactPsiPercentLimit: number;
  /** How long it may take. */
  readonly compactSecMax: number;
  /** Free blocks below this order are small ones. */
  readonly compactOrder: number;
  /** Pages: how many more are in small blocks, or how many fewer are free, than after the last time. */
  readonly compactThreshold: number;
  /** After so many periods without, it is done anyway. */
  readonly compactForceTimes: number;
}

export const defaultMemcg: MemcgSettings = {
  disabled: false,
  swap: false,
  swappinessMax: 50,
  periodSecs: 600,
  periodPsiPercentLimit: 1,
  evictionPsiPercentLimit: 1,
  evictionRunAgingCountMin: 3,
};

/** In practice never. */
export const NEVER = 2 ** 63;

export const defaultCompact: CompactSettings = {
  disabled: false,
  periodSecs: 600,
  periodPsiPercentLimit: 1,
  compactPsiPercentLimit: 5,
  compactSecMax: 300,
  compactOrder: 9,
  compactThreshold: 1024,
  compactForceTimes: NEVER,
};

type Bounds<Settings> = { readonly [Key in keyof Settings as Settings[Key] extends number ? Key : never]: Bound };
type Bound = readonly [least: number, most: number];

/** Longest delay of a timer, s. */
const MAX_SECS = 2_147_483;
/** Of memory and disks together. */
const MAX_PERCENT = 200;

export const memcgBounds: Bounds<MemcgSettings> = {
  swappinessMax: [0, 200],
  periodSecs: [1, MAX_SECS],
  periodPsiPercentLimit: [0, MAX_PERCENT],
  evictionPsiPercentLimit: [0, MAX_PERCENT],
  evictionRunAgingCountMin: [0, 2 ** 64],
};

export const compactBounds: Bounds<CompactSettings> = {
  periodSecs: [1, MAX_SECS],
  periodPsiPercentLimit: [0, MAX_PERCENT],
  compactPsiPercentLimit: [0, MAX_PERCENT],
  compactSecMax: [0, MAX_SECS],
  compactOrder: [0, 30],
  compactThreshold: [0, 2 ** 64],
  compactForceTimes: [0, 2 ** 64],
};

/** Those that are given in place of those that were. Throws for a number out of bounds, by the name of its field. */
export function changed<Settings extends object>(
  what: string,
  settings: Settings,
  change: { readonly [Key in keyof Settings]?: Settings[Key] | null | undefined },
  bounds: Bounds<Settings>,
): Settings {
  const given = Object.entries(change).filter(([, value]) => value !== null && value !== undefined);
  for (const [key, value] of given) {
    const bound = (bounds as Readonly<Record<string, Bound>>)[key];
    if (bound === undefined || isWithin(value as number, bound)) continue;
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    throw new AgentError("invalid-argument", `${what}: ${name} ${value} is not from ${bound[0]} to ${bound[1]}`);
  }
  return { ...settings, ...Object.fromEntries(given) };
}

export function isWithin(value: number, [least, most]: Bound): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
