import { describe, expect, it } from "vitest";
import { parseMountOptions } from "./mount-options.ts";

describe("mount options", () => {
  it("are sorted into attributes, propagation and data for the file system", () => {
    const parsed = parseMountOptions(["rbind", "ro", "nosuid", "rslave", "mode=755", "size=64k"]);
    expect(parsed).toMatchObject({
      bind: true,
      recursive: true,
      set: 0x3,
      propagation: 1 << 19,
      propagationRecursive: true,
      data: [
        ["mode", "755"],
        ["size", "64k"],
      ],
    });
  });

  it("that conflict are decided by the last one", () => {
    expect(parseMountOptions(["ro", "rw"])).toMatchObject({ set: 0, clear: 1 });
    expect(parseMountOptions(["rw", "ro"])).toMatchObject({ set: 1, clear: 0 });
    expect(parseMountOptions(["strictatime", "noatime"])).toMatchObject({ set: 0x10 });
  });

  it("that a plan doesn't support are listed", () => {
    expect(parseMountOptions(["rnosuid", "copy-symlink", "nosuid"]).unsupported).toEqual(["copy-symlink"]);
  });

  it("with an r prefix apply to all mounts below", () => {
    const parsed = parseMountOptions(["ro", "rro", "rnosuid", "rsuid", "rnoatime", "rdev", "rnosymfollow"]);
    expect(parsed).toMatchObject({ set: 1, clear: 0, below: { set: 0x200011, clear: 0x76 }, data: [] });
    expect(parseMountOptions(["relatime", "remount", "ridmap"])).toMatchObject({
      ...{ set: 0, clear: 0x70, below: { set: 0, clear: 0 } },
      ...{ remount: true, idmap: "ridmap" },
    });
  });

  it("that have no effect are accepted without a warning", () => {
    const options = ["defaults", "async", "silent", "loud", "iversion", "noiversion", "acl", "norelatime", ""];
    expect(parseMountOptions(options)).toMatchObject({ set: 0, clear: 0, data: [], unsupported: [] });
    expect(parseMountOptions(["sync", "dirsync", "mand", "lazytime"]).data).toHaveLength(4);
  });
});
