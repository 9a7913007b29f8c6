import { expect, test } from "vitest";
import * as abi from "../../kernel/constants.ts";
import { remountFlags } from "./remount-flags.ts";

test("options become flags, of which the last one decides, and the rest goes to the file system", () => {
  const all = abi.MS_RDONLY | abi.MS_NOSUID | abi.MS_NODEV;
  expect(remountFlags(["remount", "ro", "nosuid", "nodev"])).toEqual({ flags: all, data: "" });
  expect(remountFlags(["ro", "nosuid", "nodev", "rw", "dev"])).toEqual({ flags: abi.MS_NOSUID, data: "" });
  expect(remountFlags(["rw", "ro"])).toEqual({ flags: abi.MS_RDONLY, data: "" });
  expect(remountFlags(["defaults", "", "size=1m", "mode=700"])).toEqual({ flags: 0, data: "size=1m,mode=700" });
  expect(remountFlags([])).toEqual({ flags: 0, data: "" });
});
