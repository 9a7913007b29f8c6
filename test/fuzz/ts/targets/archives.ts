import { readCpio as readBundle } from "../../../../agent/main/bundle/read-cpio.ts";
import { BuildError } from "../../../../rootfs-builder/build-error.ts";
import { readCpio, unpacked } from "../../../../rootfs-builder/inspect/read-cpio.ts";
import { type FuzzTarget, promise, refuses } from "../target.ts";

const entry = (name: string, content: string, mode = 0o100644) => {
  const field = (value: number) => value.toString(16).padStart(8, "0");
  const numbers = [1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = `070701${numbers.map(field).join("")}${name}\0`;
  return head + "\0".repeat(-head.length & 3) + content + "\0".repeat(-content.length & 3);
};

export const archives: FuzzTarget = {
  name: "archives",
  promise:
    "an archive of a bundle or initramfs is refused with one line, or its files lie inside it and their names stay below the root",
  seeds: () => [
    entry("agent.cjs", "code") + entry("TRAILER!!!", ""),
    entry("a", "", 0o40755) + entry("a/b", "x") + entry("a/l", "b", 0o120777) + entry("TRAILER!!!", ""),
  ],
  words: ["070701", "TRAILER!!!\0", "00000001", "ffffffff", "00008000", "../"],
  run(input) {
    try {
      for (const [name, content] of readBundle(input)) {
        promise(/^[a-z0-9][a-z0-9.-]*$/.test(name), "a file of a bundle has a simple name");
        promise(content.length <= input.length, "a file is inside the archive");
      }
    } catch (error) {
      // Unreadable archives are reported like any other error, in one line.
      if (error instanceof RangeError || error instanceof TypeError) throw error;
      refuses(error, Error);
    }
    try {
      const tree = readCpio(unpacked(input).bytes);
      for (const [path, one] of tree)
        if (one.type === "file") promise(one.content.length <= 1 << 30, `/${path} is bounded`);
    } catch (error) {
      refuses(error, BuildError);
    }
  },
};
