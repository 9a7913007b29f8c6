import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { realFiles } from "../kernel/files.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { mountedOn } from "./mounts.ts";
import type { Storage } from "./storage.ts";
import { Storages } from "./storages.ts";

const kernel = { sys: openSys(), files: realFiles } as unknown as Kernel;

describe.skipIf(!isRoot())(`ephemeral storages${isRoot() ? "" : " (skipped: needs root)"}`, () => {
  let directory = "";
  let storages: Storages;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "guestd-ephemeral-"));
    storages = new Storages(kernel, async () => "");
    await storages.acquire([storage("a", ["nosuid", "noexec", "mode=1777", "size=1m"]), storage("b", ["size=1m"])], "");
  });
  afterEach(async () => {
    await storages.release(storages.mountPoints, true);
    rmSync(directory, { recursive: true });
  });

  const storage = (name: string, options: readonly string[], parts: Partial<Storage> = {}): Storage => ({
    ...{ driver: "ephemeral", driverOptions: [], source: "tmpfs", fstype: "tmpfs" },
    ...{ mountPoint: join(directory, name), options, shared: false, ...parts },
  });
  const optionsOf = (name: string) => (mountedOn(realFiles, join(directory, name))?.options ?? []).join(",");

  test("get a new size and keep content, flags and mode", async () => {
    writeFileSync(join(directory, "a/file"), "kept");
    await storages.updateEphemeral([storage("a", ["remount", "size=2097152", "fsgid=7"]), storage("b", [])]);
    expect(optionsOf("a")).toMatch(/^rw,nosuid,noexec,relatime,size=2048k(,.*)?$/);
    expect(optionsOf("b")).toMatch(/size=1024k/);
    expect(execFileSync("stat", ["-c", "%a", join(directory, "a")], { encoding: "utf8" })).toBe("1777\n");
    expect(realFiles.readText(join(directory, "a/file"))).toBe("kept");
    await storages.updateEphemeral([]);
  });

  test("all keep their sizes if one can't be changed", async () => {
    const before = [optionsOf("a"), optionsOf("b")];
    writeFileSync(join(directory, "b/file"), Buffer.alloc(512 << 10));
    const changes = [storage("a", ["size=2m"]), storage("b", ["size=4k"])];
    await expect(storages.updateEphemeral(changes)).rejects.toThrow(/^mount tmpfs tmpfs on .+\/b: EINVAL/);
    expect([optionsOf("a"), optionsOf("b")]).toEqual(before);
  });

  test("are refused before any is changed if one has another driver, is unknown or is unmounted", async () => {
    const before = optionsOf("a");
    mkdirSync(join(directory, "c"));
    const refused: [Storage, string][] = [
      [storage("b", ["size=2m"], { driver: "local" }), 'has the driver "local", not ephemeral'],
      [storage("c", ["size=2m"]), "is not a storage of this sandbox"],
      [storage("b", ["size=2m"], { mountPoint: "/proc" }), "belongs to the guest itself"],
      [storage("b", ["loop"]), '"loop" is not supported'],
    ];
    for (const [wrong, why] of refused) {
      const attempt = storages.updateEphemeral([storage("a", ["size=2m"]), wrong]);
      await expect(attempt).rejects.toMatchObject({ kind: "invalid-argument", message: expect.stringContaining(why) });
    }
    expect(optionsOf("a")).toBe(before);
  });
});
