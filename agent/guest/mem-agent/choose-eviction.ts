import type { Eviction, MemcgNode } from "./lru-gen.ts";
import type { MemcgSettings } from "./settings.ts";

/**
 * Most generations a kernel keeps (MAX_NR_GENS). With this many, the oldest was not used while the others were created.
 */
const GENERATIONS = 4;
/** Pages. With less free swap, anonymous memory is left alone. */
const LEAST_SWAP = 256;
/** The kernel's maximum. */
const SWAPPINESS = 200;
/** Minimum age of the youngest generation before a new one: sooner, it would say nothing about what is cold. */
const YOUNGEST_MS = 60_000;

/** True if the cgroup's memory is due for aging. If periods are shorter than a minute, it is due in each of them. */
export function shouldAge({ generations }: MemcgNode, { periodSecs }: MemcgSettings): boolean {
  const age = generations.at(-1)?.ageMs ?? 0;
  // Half a period, because timers are not exact.
  return age >= Math.min(YOUNGEST_MS, (periodSecs * 1000) / 2);
}

/** Returns what to evict from a cgroup, or undefined if none of its memory is cold. */
export function chooseEviction(
  { generations }: MemcgNode,
  settings: Pick<MemcgSettings, "swap" | "swappinessMax">,
  freeSwapPages: number,
): Eviction | undefined {
  const [oldest] = generations;
  if (oldest === undefined || generations.length < GENERATIONS) return undefined;
  const { seq, anon, file } = oldest;
  const swap = settings.swap && settings.swappinessMax > 0 && freeSwapPages > LEAST_SWAP;
  const swappable = swap ? anon : 0;
  if (file === 0 && swappable === 0) return undefined;
  const swappiness = Math.round((SWAPPINESS * swappable) / (swappable + file));
  return { seq, swappiness: Math.min(settings.swappinessMax, swappiness) };
}
