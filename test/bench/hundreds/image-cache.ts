import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { BlockStore } from "../../../host/engine/image/disk/block-store.ts";
import type { Figure } from "./figure.ts";
import { LARGE, LARGE_MIB } from "./large-image.ts";
import type { OwnGuestctl } from "./own-guestctl.ts";

/** Guests that read the image. */
export const CACHED = 8;
/** MiB of page cache that guests may add by other work. */
const SLACK_MIB = 20;

/** Has guests of one image read its large file, and measures the page cache for it in the host and in them. */
export async function cacheFigure(guestctl: OwnGuestctl, names: readonly string[]): Promise<Figure> {
  let inGuests = 0;
  for (const name of names) {
    const before = await cachedMib(guestctl, name);
    await guestctl.output("exec", name, "dd", `if=${LARGE}`, "of=/dev/null", "bs=1M");
    inGuests += (await cachedMib(guestctl, name)) - before;
  }
  const inHost = residentMib(diskOf(guestctl));
  const isOnce = inHost < LARGE_MIB + SLACK_MIB;
  return {
    what: `${names.length} guests read ${LARGE_MIB} MiB of one image: page cache of host / guests, MiB`,
    measured: `${inHost.toFixed(0)} / ${inGuests.toFixed(0)}`,
    aim: `${LARGE_MIB} / 0`,
    isMet: isOnce && inGuests < SLACK_MIB,
  };
}

async function cachedMib(guestctl: OwnGuestctl, name: string): Promise<number> {
  const line = await guestctl.output("exec", name, "grep", "^Cached:", "/proc/meminfo");
  return Number(/(\d+) kB/.exec(line)?.[1]) / 1024;
}

function diskOf({ directory }: OwnGuestctl): string {
  const [disk] = new BlockStore(join(directory, "guestd/roots")).list();
  if (disk === undefined) throw new Error(`${directory}: no disk of the image`);
  return disk.file;
}

/** Returns the MiB of a file that are in the host's page cache. */
function residentMib(file: string): number {
  return (
    Number(execFileSync("fincore", ["--bytes", "--noheadings", "--output", "RES", file], { encoding: "utf8" })) /
    2 ** 20
  );
}
