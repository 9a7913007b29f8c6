import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../lib/is-root.ts";
import { BOUND_BY_MODES } from "../lib/testing/bound-by-modes.ts";
import { withTemporary } from "./with-temporary.ts";

const nodeWith = (script: string) => [process.execPath, "--input-type=module", "--eval", script, import.meta.dirname];

/**
 * Script of a build whose program writes its pid and keeps running; it also creates a folder without any permission.
 */
const BUILD = `
  import { mkdirSync } from "node:fs";
  const { withTemporary } = await import(process.argv[1] + "/with-temporary.ts");
  const { run } = await import(process.argv[1] + "/run.ts");
  await withTemporary(process.argv[2], (temporary) => {
    mkdirSync(temporary + "/shut/in", { recursive: true });
    return run("sh", ["-c", "chmod 0 $1/shut; echo $$ > $0; exec sleep 1000", process.argv[3], temporary]);
  });`;

describe("withTemporary", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-temporary-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("provides a private folder, and removes it even after a failure", async () => {
    const failing = withTemporary(directory, async (temporary) => {
      expect((await stat(temporary)).mode & 0o777).toBe(0o700);
      await writeFile(join(temporary, "file"), "text");
      throw new Error("on purpose");
    });
    await expect(failing).rejects.toThrow("on purpose");
    expect(await readdir(directory)).toEqual([]);
  });

  test("removes folders of killed builds, and leaves running ones alone", async () => {
    const { pid: ended } = spawnSync("true");
    const running = `.building-${process.ppid}-abc`;
    for (const name of [`.building-${ended}-abc`, running, "guest.img"])
      await mkdir(join(directory, name, "sub"), { recursive: true });
    await withTemporary(directory, async () => {});
    expect((await readdir(directory)).sort()).toEqual([running, "guest.img"]);
  });

  test.skipIf(!isRoot())("leaves another user's folder of such a name alone (needs root)", async () => {
    const { pid: ended } = spawnSync("true");
    const planted = join(directory, `.building-${ended}-abc`);
    await mkdir(join(planted, "sub"), { recursive: true });
    await chown(planted, 65_534, 65_534);
    await withTemporary(directory, async () => {});
    expect(await readdir(planted)).toEqual(["sub"]);
  });

  test("removes folders that their owner may not enter, also those of killed builds", async () => {
    const { pid: ended } = spawnSync("true");
    await mkdir(join(directory, `.building-${ended}-abc/shut/in`), { recursive: true });
    await chmod(join(directory, `.building-${ended}-abc/shut`), 0);
    const script = `
      import { chmodSync, mkdirSync } from "node:fs";
      const { withTemporary } = await import(process.argv[1] + "/with-temporary.ts");
      for (const fails of [false, true]) {
        const made = withTemporary(process.argv[2], async (temporary) => {
          mkdirSync(temporary + "/shut/in", { recursive: true });
          chmodSync(temporary + "/shut", 0);
          if (fails) throw new Error("on purpose");
        });
        await made.catch((error) => console.log(error.message));
      }`;
    const [program = "", ...args] = [...BOUND_BY_MODES, ...nodeWith(script), directory];
    const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    expect([stdout, stderr]).toEqual(["on purpose\n", ""]);
    expect(await readdir(directory)).toEqual([]);
  });

  /** Waits until the build is running, ends it, and checks that its folder and its program are gone. */
  async function ending(argv: readonly string[], end: (child: ChildProcess) => void): Promise<unknown> {
    const [work, pidFile] = [join(directory, "work"), join(directory, "pid")];
    const [program = "", ...args] = argv.map((one) => one.replace("WORK", work).replace("PID", pidFile));
    const child = spawn(program, args, { stdio: ["pipe", "ignore", "inherit"] });
    const exit = once(child, "exit");
    await expect.poll(() => readFile(pidFile, "utf8").catch(() => "")).toMatch(/^\d+\n$/);
    expect(await readdir(work)).toHaveLength(1);
    end(child);
    const ended = await exit;
    await expect.poll(() => readdir(work)).toEqual([]);
    const pid = (await readFile(pidFile, "utf8")).trim();
    // gone, or dead without a parent to reap it
    const state = () => readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z");
    await expect.poll(state).toMatch(/\) [ZX]/);
    return ended;
  }

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "removes it, and ends its programs, when %s arrives",
    async (signal) => {
      const argv = [...BOUND_BY_MODES, ...nodeWith(BUILD), "WORK", "PID"];
      expect(await ending(argv, (child) => child.kill(signal))).toEqual([null, signal]);
    },
  );

  test.each<[string, (terminal: ChildProcess) => unknown]>([
    ["^C", (terminal) => terminal.stdin?.write("\x03")],
    ["the end of the terminal", (terminal) => terminal.kill("SIGKILL")],
  ])("and at %s, which reaches all of its programs", async (_what, end) => {
    const argv = [...BOUND_BY_MODES, ...nodeWith(BUILD)].map((one) => `'${one}'`);
    await ending(["script", "-qfc", `exec ${argv.join(" ")} 'WORK' 'PID'`, "/dev/null"], end);
  });

  test("leaves a signal to a process that handles it, and stops listening with the last folder", async () => {
    const before = process.listenerCount("SIGINT");
    let heard = 0;
    const listen = () => {
      heard += 1;
    };
    process.on("SIGINT", listen);
    await withTemporary(directory, async (temporary) => {
      const twice = withTemporary(directory, async () => {});
      await twice;
      process.emit("SIGINT", "SIGINT");
      expect(await readdir(directory)).toEqual([basename(temporary)]);
    });
    process.off("SIGINT", listen);
    expect([heard, process.listenerCount("SIGINT")]).toEqual([1, before]);
  });
});
