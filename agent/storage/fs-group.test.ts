import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "../../lib/is-root.ts";
import { guestRoot } from "../kernel/files/contained-files.ts";
import { openSys } from "../kernel/sys/sys.ts";
import { containedDouble } from "../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../kernel/testing/leaves-no-descriptors.ts";
import { applyFsGroup, type FsGroup } from "./fs-group.ts";

describe.skipIf(!isRoot())(`the group of a volume${isRoot() ? "" : " (skipped: needs root)"}`, () => {
  let volume = "";
  const contained = containedDouble(openSys());
  const apply = (path: string, group: FsGroup, readOnly: boolean) =>
    applyFsGroup(contained, guestRoot(""), path, group, readOnly);
  leavesNoDescriptors();
  beforeEach(() => {
    const base = mkdtempSync(join(tmpdir(), "guestd-group-"));
    volume = join(base, "volume");
    mkdirSync(join(volume, "a/b"), { recursive: true, mode: 0o700 });
    writeFileSync(join(volume, "a/b/file"), "", { mode: 0o600 });
    writeFileSync(join(volume, "program"), "", { mode: 0o4711 });
    chmodSync(join(volume, "program"), 0o4711);
    writeFileSync(join(base, "outside"), "", { mode: 0o600 });
    symlinkSync("../outside", join(volume, "link"));
    symlinkSync("nowhere", join(volume, "dangling"));
  });
  afterEach(() => {
    rmSync(join(volume, ".."), { recursive: true });
  });

  const look = (name: string) => {
    const { gid, mode } = lstatSync(join(volume, name));
    return `${gid} ${(mode & 0o7777).toString(8)}`;
  };
  const all = ["", "a", "a/b", "a/b/file", "program"];

  test("is refused for directories that are nested too deep", async () => {
    for (let depth = 0; depth < 600; depth++) {
      mkdirSync(join(volume, "around"));
      renameSync(join(volume, "a"), join(volume, "around/a"));
      renameSync(join(volume, "around"), join(volume, "a"));
    }
    const giving = apply(volume, { gid: 2000, onRootMismatch: false }, false);
    await expect(giving).rejects.toThrow("fs_group: the volume's directories are nested deeper than 512");
  });

  test("owns all entries and later ones, and links are changed without being followed", async () => {
    await apply(volume, { gid: 2000, onRootMismatch: false }, false);
    expect(all.map(look)).toEqual(["2000 2770", "2000 2770", "2000 2770", "2000 660", "2000 4771"]);
    expect(["link", "dangling"].map((name) => lstatSync(join(volume, name)).gid)).toEqual([2000, 2000]);
    expect(look("../outside")).toBe("0 600");
    mkdirSync(join(volume, "later"));
    expect(look("later")).toMatch(/^2000 2/);
  });

  test("may only read a read-only volume", async () => {
    await apply(volume, { gid: 2000, onRootMismatch: false }, true);
    expect(all.map(look)).toEqual(["2000 2750", "2000 2750", "2000 2750", "2000 640", "2000 4751"]);
  });

  test("leaves a volume alone if its root is right and only a mismatch counts", async () => {
    const policy = { gid: 2000, onRootMismatch: true };
    await apply(volume, policy, false);
    writeFileSync(join(volume, "new"), "", { mode: 0o600 });
    await apply(volume, policy, false);
    expect(look("new")).toBe("2000 600");
    chmodSync(volume, 0o2755);
    await apply(volume, policy, false);
    expect(look("new")).toBe("2000 660");
  });

  test("touches no entry that is already right", async () => {
    const group = { gid: 2000, onRootMismatch: false };
    await apply(volume, group, false);
    const changes = () => all.map((name) => lstatSync(join(volume, name)).ctimeMs);
    utimesSync(join(volume, "program"), 1, 1);
    const earlier = changes();
    await apply(volume, group, false);
    expect(changes()).toEqual(earlier);
  });

  test("can be set on a single file, and a missing volume is named", async () => {
    await apply(join(volume, "a/b/file"), { gid: 7, onRootMismatch: true }, false);
    expect(look("a/b/file")).toBe("7 660");
    await expect(apply(join(volume, "none"), { gid: 7, onRootMismatch: false }, false)).rejects.toThrow(
      /^change the group of .+\/none: ENOENT/,
    );
  });
});
