import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { makeBusyboxImage } from "../../../host/engine/image/make-image.ts";
import { namesIn } from "../../../lib/names-in.ts";
import { startedAt } from "../../../lib/process-owner.ts";

const launcher = join(import.meta.dirname, "../../../host/cli/launch.cjs");
/** Each poll runs a process. */
export const POLL = { interval: 200, timeout: 100_000 };

export type OwnGuests = ReturnType<typeof ownGuests>;

/** Returns guestctl with guests, caches and temporary files of its own, for the tests of a file; removes them afterwards. */
export function ownGuests(prefix: string) {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  const image = join(directory, "busybox.tar");
  beforeAll(() => makeBusyboxImage(image));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  /** Ends what a failed test has left: every process with its folder for temporary files. */
  afterEach(async ({ task }) => {
    if (task.result?.state !== "fail") return;
    const isOurs = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`TMPDIR=${directory}\0`);
      } catch {
        return false;
      }
    };
    const ours = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name) && isOurs(name));
    for (const pid of ours()) process.kill(Number(pid), "SIGKILL");
    await expect.poll(ours).toEqual([]);
    await run("ps"); // records the ends
    for (const name of left())
      rmSync(existsSync(stateOf(name)) ? stateOf(name) : join(directory, name), { recursive: true });
  });

  const env = {
    ...process.env,
    // vhost-device-vsock may not accept connections any more once a client with open ones was killed.
    GUESTD_VSOCK: "serial",
    XDG_RUNTIME_DIR: directory,
    XDG_CACHE_HOME: directory,
    TMPDIR: directory,
    NO_COLOR: "1",
  };
  const start = (...args: string[]) => spawn(process.execPath, [launcher, ...args], { env, stdio: "pipe" });

  /** Runs guestctl. Its output, if it ends with 0; otherwise its errors and exit code. */
  async function run(...args: string[]): Promise<string> {
    const child = start(...args);
    child.stdin.end();
    const ended = new Promise((resolve) => child.once("close", resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const code = await ended;
    return code === 0 ? `${stdout}${stderr}` : `${stdout}${stderr}exit code ${code}`;
  }

  const stateOf = (guest: string) => join(directory, `guestd-${process.getuid?.() ?? 0}`, guest);
  const readState = (guest: string, file: string) => JSON.parse(readFileSync(join(stateOf(guest), file), "utf8"));

  /** Kills the guestctl that keeps a guest, or serves a container of it, and waits until it is gone. */
  async function killKeeper(guest: string, container?: string): Promise<void> {
    const record =
      container === undefined ? readState(guest, "owner.json") : readState(guest, `process-${container}.json`);
    const pid: number = record.pid ?? record.keeper.pid;
    process.kill(pid, "SIGKILL");
    await expect.poll(() => startedAt(pid)).toBeUndefined();
  }

  /** Lists what guests have left in the folder for temporary files, and their records, complete or not. */
  const left = () => [
    ...readdirSync(directory).filter(
      (name) => name.startsWith("guestd-") && name !== `guestd-${process.getuid?.() ?? 0}`,
    ),
    ...readdirSync(stateOf("")).filter((name) => !name.startsWith(".")),
    ...namesIn(stateOf(".staging")),
  ];

  return { directory, env, image, start, run, stateOf, readState, killKeeper, left };
}
