import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { Samples } from "../samples.ts";
import type { Figure } from "./figure.ts";
import { memoryOfAll } from "./memory.ts";
import type { OwnGuestctl } from "./own-guestctl.ts";

const GUEST = "idler";
/** Most seconds until the first byte. */
const SECONDS_AIM = 1.2;
/** Milliseconds for a guest to be saved. */
const [SAVING_MS, POLL_MS] = [60_000, 100];

/** Lets a guest be saved because it is idle, and measures its memory then, and how long the next exec takes. */
export async function idle(guestctl: OwnGuestctl, rounds: number): Promise<readonly Figure[]> {
  const image = join(guestctl.directory, "busybox.tar");
  await makeBusyboxImage(image);
  await guestctl.output("run", "-d", "--name", GUEST, "--idle", "2", image, "sleep", "1000000");
  const [saved, awake, memory] = [new Samples(), new Samples(), new Samples()];
  for (let round = 0; round < rounds; round++) {
    await untilSaved(guestctl);
    memory.add(memoryOfAll(ofGuests(guestctl)).rss);
    saved.add(await firstByteMs(guestctl));
    awake.add(await firstByteMs(guestctl));
  }
  const seconds = saved.median / 1000;
  return [
    {
      what: "saved by idleness: s to the next exec's first byte (when running)",
      measured: `${seconds.toFixed(2)} (${(awake.median / 1000).toFixed(2)})`,
      aim: `≤ ${SECONDS_AIM}`,
      isMet: seconds <= SECONDS_AIM,
    },
    { what: "memory of a saved guest, RSS, MiB", measured: memory.max.toFixed(0), aim: "0", isMet: memory.max === 0 },
  ];
}

const ofGuests = (guestctl: OwnGuestctl) => guestctl.processes().filter(({ isSupervisor }) => !isSupervisor);

/** Waits until the guest is saved and its processes have ended. */
async function untilSaved(guestctl: OwnGuestctl): Promise<void> {
  for (const end = performance.now() + SAVING_MS; ; await delay(POLL_MS)) {
    const [{ state, savedFailure }] = JSON.parse(await guestctl.output("inspect", "--type", "guest", GUEST));
    if (state.status === "saved" && ofGuests(guestctl).length === 0) return;
    if (performance.now() > end) throw new Error(`${GUEST}: not saved within ${SAVING_MS} ms: ${savedFailure}`);
  }
}

/** Returns the milliseconds from a command to the first byte of its output. Resolves once it has ended. */
async function firstByteMs(guestctl: OwnGuestctl): Promise<number> {
  const began = performance.now();
  const child = guestctl.start("exec", GUEST, "echo", "here");
  child.stderr.pipe(process.stderr);
  const printed = once(child.stdout, "data").then(() => performance.now() - began);
  await once(child, "close");
  return Promise.race([printed, Promise.reject(new Error(`exec ${GUEST}: it printed nothing`))]);
}
