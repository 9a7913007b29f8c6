import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
});
