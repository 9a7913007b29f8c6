import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import type { Figure } from "./figure.ts";
import { killRound, type Losses, lostBytes, numbers } from "./kill-round.ts";
import type { OwnGuestctl } from "./own-guestctl.ts";

const GUEST = "kept";
/** Prints numbers until the end of all kills. */
const COUNT = "i=0; until [ -e /end ]; do echo $i; i=$((i+1)); sleep 0.05; done; exit 3";
const KILLS_AIM = 1000;
/** Milliseconds for the last processes to end. */
const [ENDING_MS, POLL_MS] = [20_000, 200];

/** Kills the supervisor at random moments and counts everything that is lost. */
export async function kills(guestctl: OwnGuestctl, count: number): Promise<readonly Figure[]> {
  const image = join(guestctl.directory, "busybox.tar");
  await makeBusyboxImage(image);
  await guestctl.output("run", "-d", "--name", GUEST, image, "sh", "-c", COUNT);
  const losses: Losses = { guests: 0, bytes: 0, codes: 0, restarts: 0, commands: 0 };
  let done = 0;
  for (; done < count && losses.guests === 0; done++) {
    await killRound(guestctl, { guest: GUEST, image, job: `job-${done}` }, losses);
    const running = (await guestctl.run("ps", "-q")).stdout.split("\n");
    if (!running.includes(GUEST)) losses.guests++;
  }
  await endAll(guestctl, losses);
  const left = await leftOver(guestctl);
  const { guests, bytes, codes, restarts, commands } = losses;
  const all = [guests, bytes, codes, restarts, commands, left];
  const hasLost = all.some((each) => each > 0);
  return [
    {
      what: `${done} kills of the supervisor: guests, bytes, codes, restarts, commands lost; left over`,
      measured: all.join(", "),
      aim: `0 by ${KILLS_AIM}`,
      isMet: hasLost ? false : done >= KILLS_AIM || undefined,
    },
  ];
}

/** Ends the container that was there all the time, and compares its output. */
async function endAll(guestctl: OwnGuestctl, losses: Losses): Promise<void> {
  if (losses.guests > 0) return;
  await guestctl.output("exec", GUEST, "touch", "/end");
  if ((await guestctl.run("wait", GUEST)).stdout !== "3\n") losses.codes++;
  const { stdout } = await guestctl.run("logs", GUEST);
  losses.bytes += lostBytes(stdout, numbers(stdout.split("\n").length - 1));
  await guestctl.output("rm", GUEST);
}

/** Returns how many processes, folders and records are left a while after the last guest. */
async function leftOver(guestctl: OwnGuestctl): Promise<number> {
  for (const end = performance.now() + ENDING_MS; ; await delay(POLL_MS)) {
    const count = guestctl.processes().length + guestctl.leftFiles().length;
    if (count === 0 || performance.now() > end) return count;
  }
}
