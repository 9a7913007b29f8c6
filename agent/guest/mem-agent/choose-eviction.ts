import type { Eviction, MemcgNode } from "./lru-gen.ts";
import type { MemcgSettings } from "./settings.ts";

/** A kernel has no more (MAX_NR_GENS): the oldest of so many was not used while the others were made. */
const GENERATIONS = 4;
/** Pages; with less there is no swap to speak of. */
const LEAST_SWAP = 256;
/** The kernel's most. */
const SWAPPINESS = 200;
/** No generation is younger: one made later would say nothing of what is cold. */
const YOUNGEST_MS = 60_000;

/** Whether the memory of a cgroup is to be aged now. With periods of less than a minute, in each of them. */
export function isToBeAged({ generations }: MemcgNode, { periodSecs }: MemcgSettings): boolean {
  const age = generations.at(-1)?.ageMs ?? 0;
  // Half a period: timers are not exact.
  return age >= Math.min(YOUNGEST_MS, (periodSecs * 1000) / 2);
}

/** What is cold of a cgroup's memory; undefined when nothing is. */
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
