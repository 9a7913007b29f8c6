import { AgentError } from "../../kernel/error.ts";

/**
 * Settings for reclaiming cold memory from each cgroup. Limits are the percentage of time that some task waited for
 * memory or disks.
 */
export interface MemcgSettings {
  readonly disabled: boolean;
  /** Also reclaims anonymous memory, if there is swap. */
  readonly swap: boolean;
  /** 0 to 200, as in the kernel. */
  readonly swappinessMax: number;
  readonly periodSecs: number;
  /** If pressure in the past period exceeds this, the round is skipped. */
  readonly periodPsiPercentLimit: number;
  /** If pressure during eviction exceeds this, eviction stops. */
  readonly evictionPsiPercentLimit: number;
  /** How often a cgroup's memory must have been aged before any of it is reclaimed. */
  readonly evictionRunAgingCountMin: number;
}

/** Settings for compaction, which turns small free blocks into large ones. */
export interface CompactSettings {
  readonly disabled: boolean;
  readonly periodSecs: number;
  readonly periodPsiPercentLimit: number;
  /** If pressure during compaction exceeds this, compaction stops. */
  readonly compactPsiPercentLimit: number;
  /** Time limit for one compaction. */
  readonly compactSecMax: number;
  /** Free blocks below this order count as small. */
  readonly compactOrder: number;
  /**
   * Pages. Compaction runs if small blocks hold this many more, or the guest has this many fewer free, than after the
   * last run.
   */
  readonly compactThreshold: number;
  /** Number of skipped periods after which compaction runs anyway. */
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

/** Practically never. */
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

/** Longest delay of a Node timer in seconds. */
const MAX_SECS = 2_147_483;
/** The sum of memory and disk pressure. */
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

/** Returns the settings with the given fields replaced. Throws naming the field if a number is out of bounds. */
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
    throw new AgentError(
      "invalid-argument",
      `${what}: ${name} ${value} is out of range, use ${bound[0]} to ${bound[1]}`,
    );
  }
  return { ...settings, ...Object.fromEntries(given) };
}

export function isWithin(value: number, [least, most]: Bound): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
