import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { randomFrom } from "../../../lib/seeded-random.ts";
import { type KilledWork, killedWork } from "./killed-work.ts";
import { ownGuests, POLL } from "./own-guests.ts";

/** Prints each line of a file. */
const ECHO = "echo 0 >/log; tail -n +1 -f /log & wait";
/** Time limits of the test: for its guests, and for each kill on a busy machine. */
const [GUESTS_MS, KILL_MS] = [300_000, 10_000];

/**
 * Kills commands, programs with the SDK and the supervisor at random moments of what they do, with a guest that is also saved when it
 * is idle, and checks that this guest, its container and their output are complete afterwards, and that nothing is left.
 */
export function killsLoseNothing(kills: number, seed = Date.now() % 2 ** 32): void {
  const guests = ownGuests("kills-");
  const { directory, image, run, readState, left } = guests;

  it(
    `loses nothing by ${kills} kills of commands, programs and the supervisor (seed ${seed})`,
    async () => {
      const random = randomFrom(seed);
      const works = killedWork(guests);
      writeFileSync(join(directory, "file"), Buffer.alloc(1 << 20, "x"));
      expect(await run("boot", "-d", "--name", "dev", "--idle", "2")).toContain("dev  hvsock:");
      expect(await run("run", "-d", "-g", "dev", "--name", "log", image, "sh", "-c", ECHO)).toBe("log\n");
      for (let kill = 1; kill <= kills; kill++) {
        const work = works[Math.floor(random() * works.length)] as KilledWork;
        const where = `kill ${kill}, during ${work.name}`;
        const child = work.start(kill);
        const ended = once(child, "close");
        await delay(random() * work.ms);
        const isCommand = random() < 0.5;
        const pid: number = isCommand ? (child.pid ?? 0) : readState("dev", "owner.json").pid;
        if (child.exitCode === null) process.kill(pid, "SIGKILL");
        // Another command replaces the supervisor, upon which work that it was cut from ends.
        expect(await run("ps"), where).toMatch(/^dev +log +init /m);
        await ended;
        expect(await run("exec", "-g", "dev", "log", "sh", "-c", `echo ${kill} >>/log`), where).toBe("");
        await work.clean(kill);
      }
      const lines = async () => (await run("logs", "-g", "dev", "log")).trimEnd().split("\n");
      const numbers = async () => (await lines()).filter((line) => /^\d+$/.test(line));
      await expect.poll(numbers, POLL).toEqual(Array.from({ length: kills + 1 }, (_, at) => `${at}`));
      const others = (await lines()).filter((line) => !/^\d+$/.test(line));
      expect(others).toEqual([...new Set(others.filter((line) => /^x\d+$/.test(line)))]);
      expect(await run("stop", "dev")).toBe("dev\n");
      // The folder of a guest that was killed while it booted is removed with the next guest's.
      expect(await run("run", image, "echo", "next")).toBe("next\n");
      await expect.poll(left, POLL).toEqual([]);
    },
    GUESTS_MS + kills * KILL_MS,
  );
}
