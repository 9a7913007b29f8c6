import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readImage } from "../../image/read-image.ts";
import { temporaryDirectory, treeOf } from "../../image/testing/tree.ts";
import { makeBusyboxImage } from "./make-image.ts";
import { unpack } from "./unpack.ts";

test("builds a reproducible image from Debian's busybox that can be unpacked and run", {
  timeout: 120_000,
}, async () => {
  using temporary = temporaryDirectory();
  const path = (name: string) => join(temporary.path, name);
  await makeBusyboxImage(path("one.tar"));
  await makeBusyboxImage(path("two.tar"));
  expect(readFileSync(path("one.tar")).equals(readFileSync(path("two.tar")))).toBe(true);
  await using image = await readImage(path("one.tar"), { name: "busybox" });
  expect(image.config["Cmd"]).toEqual(["sh"]);
  await unpack(image, path("root"));
  const tree = treeOf(path("root"));
  expect(tree).toMatchObject({ "bin/sh": "-> busybox", "bin/stty": "-> busybox", sbin: "-> bin", "root/": "" });
  expect(tree["etc/passwd"]).toContain("root:x:0:0:root:/root:/bin/sh\n");
  expect(statSync(path("root/tmp")).mode & 0o7777).toBe(0o1777);
  expect(execFileSync(path("root/bin/sh"), ["-c", "echo $((6 * 7))"], { encoding: "utf8" })).toBe("42\n");
});
