import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { imageUser } from "./image-user.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\n# a comment\nann:x:1000:100::/home/ann:/bin/sh\nbad:x:no:0::/:\n";
const group = "root:x:0:\nusers:x:100:\naudio:x:29:bob,ann\nvideo:x:44:ann\nwheel:x:10:root\n";

function userOf(text: string, files: { passwd?: string; group?: string } = { passwd, group }) {
  using temporary = temporaryDirectory();
  mkdirSync(join(temporary.path, "etc"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(temporary.path, "etc", name), content);
  const { uid, gid, additionalGids } = imageUser(temporary.path, text);
  return [uid, gid, additionalGids];
}

describe("a user", () => {
  test.each<[string, number, number, number[]]>([
    ["", 0, 0, [0, 10]],
    ["root", 0, 0, [0, 10]],
    ["ann", 1000, 100, [100, 29, 44]],
    ["1000", 1000, 100, [100, 29, 44]],
    ["ann:audio", 1000, 29, [29]],
    ["ann:55", 1000, 55, [55]],
    [":audio", 0, 29, [29]],
    ["4000", 4000, 0, [0]],
    ["4000:5000", 4000, 5000, [5000]],
    ["01000", 1000, 100, [100, 29, 44]],
  ])("%j", (text, uid, gid, groups) => {
    expect(userOf(text)).toEqual([uid, gid, groups]);
  });

  test.each<[string, number, number, number[]]>([
    ["1000", 1000, 0, [0]],
    ["1000:50", 1000, 50, [50]],
    ["1000:", 1000, 0, [0]],
  ])("%j is a number, even if the image has names like it (CVE-2016-3697)", (text, uid, gid, groups) => {
    const files = { passwd: "root:x:0:0::/:\n1000:x:0:0::/:\n", group: "root:x:0:1000\n50:x:0:\n" };
    expect(userOf(text, files)).toEqual([uid, gid, groups]);
  });

  test.each(["4294967295", "0:4294967295", "99999999999999999999"])(
    "%j is no name, as it consists of digits",
    (text) => {
      const named = (name: string) => `${name}:x:0:0::/:\n`;
      const files = { passwd: `${named("4294967295")}${named("99999999999999999999")}`, group: named("4294967295") };
      expect(() => userOf(text, files)).toThrow("is not in the image's");
    },
  );

  test.each([
    ["bob", "bob is not in the image's /etc/passwd"],
    ["bad", "bad is not in the image's /etc/passwd"],
    ["ann:nobody", "nobody is not in the image's /etc/group"],
    ["4294967295", "4294967295 is not in the image's /etc/passwd"],
    ["-1", "-1 is not in"],
  ])("refuses %j: %s", (text, message) => {
    expect(() => userOf(text)).toThrow(message);
  });
});

test("an image without passwd and group accepts only numbers and the default user", () => {
  expect(userOf("", {})).toEqual([0, 0, [0]]);
  expect(userOf("12:13", {})).toEqual([12, 13, [13]]);
  expect(() => userOf("root", {})).toThrow("root is not in the image's /etc/passwd");
});

test("follows the image's links inside the image, never to the host's files", () => {
  using temporary = temporaryDirectory();
  const root = join(temporary.path, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  writeFileSync(join(temporary.path, "passwd"), "evil:x:666:666::/:\n");
  symlinkSync("../../passwd", join(root, "etc/passwd"));
  expect(() => imageUser(root, "evil")).toThrow("evil is not in");
  writeFileSync(join(root, "passwd"), "good:x:7:7::/:\n");
  expect(imageUser(root, "good")).toMatchObject({ uid: 7 });
});
