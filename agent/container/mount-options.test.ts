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

  it("that contradict each other: the last one counts", () => {
    expect(parseMountOptions(["ro", "rw"])).toMatchObject({ set: 0, clear: 1 });
    expect(parseMountOptions(["rw", "ro"])).toMatchObject({ set: 1, clear: 0 });
    expect(parseMountOptions(["strictatime", "noatime"])).toMatchObject({ set: 0x10 });
  });

  it("of the spec that a plan can't carry are named", () => {
    expect(parseMountOptions(["rnosuid", "tmpcopyup", "nosuid"]).unsupported).toEqual(["rnosuid", "tmpcopyup"]);
  });
});
