import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { withTemporary } from "./with-temporary.ts";

describe("withTemporary", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "guestd-temporary-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("gives a private folder, and removes it when it fails too", async () => {
    const failing = withTemporary(directory, async (temporary) => {
      expect((await stat(temporary)).mode & 0o777).toBe(0o700);
      await writeFile(join(temporary, "file"), "text");
      throw new Error("on purpose");
    });
    await expect(failing).rejects.toThrow("on purpose");
    expect(await readdir(directory)).toEqual([]);
  });

  test("removes what killed builds have left, and leaves running ones alone", async () => {
    const { pid: ended } = spawnSync("true");
    const running = `.building-${process.ppid}-abc`;
    for (const name of [`.building-${ended}-abc`, running, "guest.img"])
      await mkdir(join(directory, name, "sub"), { recursive: true });
    await withTemporary(directory, async () => {});
    expect((await readdir(directory)).sort()).toEqual([running, "guest.img"]);
  });

  test.each(["SIGINT", "SIGTERM"] as const)("removes it, and ends its programs, when %s comes", async (signal) => {
    const script = `
      const { withTemporary } = await import(process.argv[1] + "/with-temporary.ts");
      const { run } = await import(process.argv[1] + "/run.ts");
      await withTemporary(process.argv[2], (temporary) =>
        run("sh", ["-c", 'echo text > "$1/file"; echo $$ > "$0"; exec sleep 1000', process.argv[3], temporary]));`;
    const [work, pidFile] = [join(directory, "work"), join(directory, "pid")];
    const args = ["--input-type=module", "--eval", script, import.meta.dirname, work, pidFile];
    const child = spawn(process.execPath, args);
    await expect.poll(() => readFile(pidFile, "utf8").catch(() => ""), { timeout: 20_000 }).toMatch(/^\d+\n$/);
    expect(await readdir(work)).toHaveLength(1);
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([null, signal]);
    expect(await readdir(work)).toEqual([]);
    const pid = (await readFile(pidFile, "utf8")).trim();
    // gone, or dead where nobody reaps it
    const state = () => readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z");
    await expect.poll(state, { timeout: 20_000 }).toMatch(/\) [ZX]/);
  });

  test("leaves a signal to who listens, and does not listen for longer than there is a folder", async () => {
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
