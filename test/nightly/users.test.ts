import { execFile } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeBusyboxImage } from "../../host/engine/image/make-image.ts";
import { isRoot } from "../../lib/is-root.ts";
import { startedAt } from "../../lib/process-owner.ts";
import { makeOpenDirectory } from "../clean-up/work-directory.ts";

const launcher = join(import.meta.dirname, "../../host/cli/launch.cjs");
const USERS = [0, 4321, 65_534];
const POLL = { interval: 200, timeout: 100_000 };
/** Prints a number each second, beginning with the user's. */
const COUNT = (uid: number) => `i=${uid}; while echo $i; do i=$((i+1)); sleep 1; done`;

const title = isRoot() ? "root and two users of a machine" : "root and two users of a machine (needs root)";

describe.skipIf(!isRoot())(`${title}, with one folder for temporary files,`, () => {
  let directory: string;
  beforeAll(async () => {
    directory = makeOpenDirectory("users");
    chmodSync(directory, 0o1777);
    await makeBusyboxImage(join(directory, "busybox.tar"));
    chmodSync(join(directory, "busybox.tar"), 0o644);
    for (const uid of USERS) {
      mkdirSync(join(directory, `home-${uid}`));
      chownSync(join(directory, `home-${uid}`), uid, uid);
    }
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs guestctl as a user. */
  async function guestctl(uid: number, ...args: string[]) {
    const as = [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--", process.execPath, launcher];
    const home = join(directory, `home-${uid}`);
    const places = { HOME: home, TMPDIR: directory, XDG_RUNTIME_DIR: directory, XDG_CACHE_HOME: home };
    const env = { ...process.env, ...places, GUESTD_VSOCK: "serial", NO_COLOR: "1" };
    return await promisify(execFile)("setpriv", [...as, ...args], { env, cwd: home });
  }
  const each = <T>(run: (uid: number) => Promise<T>) => Promise.all(USERS.map(run));
  const image = () => join(directory, "busybox.tar");
  const stateOf = (uid: number) => join(directory, `guestd-${uid}`);
  const addressOf = (uid: number): string =>
    JSON.parse(readFileSync(join(stateOf(uid), "web/guest.json"), "utf8")).address;
  const supervisorOf = (uid: number): number =>
    JSON.parse(readFileSync(join(stateOf(uid), "web/owner.json"), "utf8")).pid;

  it("have guests and containers of the same names, which only they see and reach", async () => {
    try {
      await each((uid) => guestctl(uid, "run", "-d", "--name", "web", image(), "sh", "-c", COUNT(uid)));
      await each(async (uid) => {
        await expect
          .poll(async () => (await guestctl(uid, "logs", "web")).stdout, POLL)
          .toMatch(`${uid}\n${uid + 1}\n`);
        const { stdout } = await guestctl(uid, "ps");
        expect(stdout.match(/^web +web +init /gm)).toHaveLength(1);
      });
      const at = (uid: number) => guestctl(4321, "exec", "--address", addressOf(uid), "web", "echo", "reached");
      expect((await at(4321)).stdout).toBe("reached\n");
      for (const uid of [0, 65_534])
        await expect(at(uid)).rejects.toMatchObject({ stderr: expect.stringContaining("EACCES") });
    } finally {
      await each((uid) => guestctl(uid, "stop", "web"));
    }
    expect(await each(async (uid) => (await guestctl(uid, "rm", "web")).stdout)).toEqual(USERS.map(() => "web\n"));
  });

  it("lose nothing when the supervisor of one of them is killed", async () => {
    try {
      await each((uid) => guestctl(uid, "run", "-d", "--name", "web", image(), "sh", "-c", COUNT(uid)));
      const before = USERS.map(supervisorOf);
      const [, killed = 0] = before;
      process.kill(killed, "SIGKILL");
      await expect.poll(() => startedAt(killed), POLL).toBeUndefined();
      await each((uid) => guestctl(uid, "exec", "web", "true"));
      await expect.poll(() => supervisorOf(4321), POLL).not.toBe(killed);
      expect([supervisorOf(0), supervisorOf(65_534)]).toEqual([before[0], before[2]]);
      await each(async (uid) => {
        const lines = (await guestctl(uid, "logs", "web")).stdout.trimEnd().split("\n");
        expect(lines).toEqual(lines.map((_, at) => `${uid + at}`));
      });
    } finally {
      await each((uid) => guestctl(uid, "stop", "web"));
    }
    await each((uid) => guestctl(uid, "rm", "web"));
    const left = () => readdirSync(directory).filter((name) => name.startsWith("guestd-vm-"));
    await expect.poll(left, POLL).toEqual([]);
  });
});
