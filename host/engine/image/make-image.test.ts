import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readImage } from "../../../image/read-image.ts";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
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
  expect(readlinkSync(path("root/sbin"))).toBe("bin");
  const inode = (name: string) => statSync(path(`root/bin/${name}`)).ino;
  expect([inode("sh"), inode("stty")]).toEqual([inode("busybox"), inode("busybox")]);
  expect(readFileSync(path("root/etc/passwd"), "utf8")).toContain("root:x:0:0:root:/root:/bin/sh\n");
  expect(statSync(path("root/tmp")).mode & 0o7777).toBe(0o1777);
  expect(execFileSync(path("root/bin/sh"), ["-c", "echo $((6 * 7))"], { encoding: "utf8" })).toBe("42\n");
});
