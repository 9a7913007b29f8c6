import { setTimeout as delay } from "node:timers/promises";
import { kill, type OwnGuestctl } from "./own-guestctl.ts";

/** Milliseconds after the beginning of two commands within which the kill comes, and for a container to be run again. */
const [WINDOW_MS, AGAIN_MS, POLL_MS] = [2500, 60_000, 200];
/** Prints numbers, slowly enough to be killed meanwhile, and ends with 5. */
const EXEC = "for i in 0 1 2 3 4; do seq $((i*1000)) $((i*1000+999)); sleep 0.1; done; exit 5";
const EXEC_OUTPUT = numbers(5000);
/** Is run again once, as it fails. */
const JOB = "seq 0 1999; sleep 0.3; seq 2000 3999; exit 7";
const JOB_OUTPUT = numbers(4000).repeat(2);

/** Losses by kills. */
export interface Losses {
  guests: number;
  bytes: number;
  codes: number;
  restarts: number;
  /** Commands that failed, such as a `run` whose container didn't start. */
  commands: number;
}

/**
 * Kills the supervisor at a random moment while a command runs in a guest's container, and another container begins, prints,
 * fails and is run again.
 */
export async function killRound(
  guestctl: OwnGuestctl,
  { guest, image, job }: { readonly guest: string; readonly image: string; readonly job: string },
  losses: Losses,
): Promise<void> {
  const options = ["--name", job, "--restart", "on-failure:1"];
  const running = guestctl.run("run", "-d", "-g", guest, ...options, image, "sh", "-c", JOB);
  const executing = guestctl.run("exec", guest, "sh", "-c", EXEC);
  await delay(Math.random() * WINDOW_MS);
  for (const { pid, isSupervisor } of guestctl.processes()) if (isSupervisor) kill(pid);
  const [started, exec] = await Promise.all([running, executing]);
  losses.bytes += lostBytes(exec.stdout, EXEC_OUTPUT);
  if (exec.code !== 5) losses.codes++;
  if (started.code !== 0) return void losses.commands++;
  const { restarts, exitCode } = await untilRunAgain(guestctl, job);
  if (restarts !== 1) losses.restarts++;
  if (exitCode !== 7) losses.codes++;
  losses.bytes += lostBytes((await guestctl.run("logs", job)).stdout, JOB_OUTPUT);
  if ((await guestctl.run("rm", job)).code !== 0) losses.commands++;
}

/** Returns the state of a container once it has ended for good, or at the latest after a time. */
async function untilRunAgain(guestctl: OwnGuestctl, job: string) {
  for (const end = performance.now() + AGAIN_MS; ; await delay(POLL_MS)) {
    const [{ state }] = JSON.parse(await guestctl.output("inspect", job));
    const { status, restarts = 0, exitCode } = state;
    if ((status === "exited" && restarts > 0) || performance.now() > end) return { restarts, exitCode };
  }
}

/** Returns the numbers below `count`, each on a line. */
export function numbers(count: number): string {
  return Array.from({ length: count }, (_, number) => `${number}\n`).join("");
}

/** Counts the bytes from the first wrong one on, of the longer text. */
export function lostBytes(text: string, expected: string): number {
  let same = 0;
  while (same < expected.length && text[same] === expected[same]) same++;
  return Math.max(text.length, expected.length) - same;
}
