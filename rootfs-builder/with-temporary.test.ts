import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
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

  test.each(["SIGINT", "SIGTERM"] as const)("removes it when %s ends the process", async (signal) => {
    const script = `
      import { writeFileSync } from "node:fs";
      const { withTemporary } = await import(process.argv[1]);
      await withTemporary(process.argv[2], (temporary) => {
        writeFileSync(temporary + "/file", "text");
        console.log("made");
        return new Promise(() => setInterval(() => {}, 1000));
      });`;
    const module = join(import.meta.dirname, "with-temporary.ts");
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script, module, directory]);
    await once(child.stdout, "data");
    expect(await readdir(directory)).toHaveLength(1);
    child.kill(signal);
    expect(await once(child, "exit")).toEqual([null, signal]);
    expect(await readdir(directory)).toEqual([]);
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
