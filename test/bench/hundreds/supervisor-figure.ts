import type { Figure } from "./figure.ts";
import { memoryOfAll } from "./memory.ts";
import type { OwnGuestctl } from "./own-guestctl.ts";

/** Most MiB of the supervisor's memory, by the number of guests. */
const AIMS = [
  [1, 60],
  [10, 65],
  [100, 90],
] as const;

/** Measures the supervisor of `count` guests. */
export function supervisorFigure(guestctl: OwnGuestctl, count: number): Figure {
  const { rss, pss } = memoryOfAll(guestctl.processes().filter(({ isSupervisor }) => isSupervisor));
  const [guests, most] = AIMS.find(([each]) => count <= each) ?? AIMS[2];
  return {
    what: `supervisor of ${count} guest${count === 1 ? "" : "s"}: RSS (PSS), MiB`,
    measured: `${rss.toFixed(0)} (${pss.toFixed(0)})`,
    aim: `≤ ${most}${count === guests ? "" : ` with ${guests}`}`,
    isMet: rss > most ? false : count >= guests || undefined,
  };
}
