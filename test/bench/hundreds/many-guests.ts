import type { Figure } from "./figure.ts";
import { CACHED, cacheFigure } from "./image-cache.ts";
import { makeLargeImage } from "./large-image.ts";
import { type Memory, memoryOfAll, untilIdle } from "./memory.ts";
import type { OwnGuestctl } from "./own-guestctl.ts";
import { supervisorFigure } from "./supervisor-figure.ts";

const QEMU_AIM = 190;
/** Guests that start at the same time. */
const AT_ONCE = 2;

/** Starts detached guests, each for a container, and measures the first, the supervisor, and the page cache of their image. */
export async function manyGuests(guestctl: OwnGuestctl, count: number): Promise<readonly Figure[]> {
  const image = await makeLargeImage(guestctl.directory);
  const names = Array.from({ length: count }, (_, index) => `guest-${index + 1}`);
  const [first = "", ...others] = names;
  const start = (name: string) => guestctl.output("run", "-d", "--name", name, image, "sleep", "1000000");
  await start(first);
  await untilIdle(guestctl);
  const figures = [...oneGuest(guestctl), supervisorFigure(guestctl, 1)];
  const waiting = others.values();
  const startAll = async () => {
    for (const name of waiting) await start(name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, startAll));
  await untilIdle(guestctl);
  if (count > 1) figures.push(supervisorFigure(guestctl, count));
  return [...figures, await cacheFigure(guestctl, names.slice(0, CACHED))];
}

function oneGuest(guestctl: OwnGuestctl): readonly Figure[] {
  const processes = guestctl.processes().filter(({ isSupervisor }) => !isSupervisor);
  const node = memoryOfAll(processes.filter(({ program }) => program === "node"));
  const rest = memoryOfAll(processes.filter(({ program }) => program !== "node"));
  const pair = (kind: keyof Memory) => [node, rest].map((memory) => memory[kind].toFixed(0)).join(" / ");
  const isMet = node.rss === 0 && rest.rss <= QEMU_AIM;
  return [
    {
      what: "detached guest with one container: Node / QEMU with devices, RSS, MiB",
      measured: pair("rss"),
      aim: `0 / ≤ ${QEMU_AIM}`,
      isMet,
    },
    { what: "  PSS, MiB", measured: pair("pss"), aim: "" },
    { what: "  pages of no file, such as translated code, MiB", measured: pair("anonymous"), aim: "" },
    { what: "  the guest's memory without its holes, MiB", measured: rest.guests.toFixed(0), aim: "" },
  ];
}
