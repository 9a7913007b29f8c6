import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { containedDouble } from "../../kernel/testing/contained-double.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { type NamedUser, resolveUser } from "./named-user.ts";

const contained = containedDouble(openSys());
const nobody = { uid: 0, gid: 0, additionalGids: [] };
let root = "";
leavesNoDescriptors();
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-user-"));
  mkdirSync(join(root, "etc"));
  writeFileSync(
    join(root, "etc/passwd"),
    "root:x:0:0::/:\nann:x:1001:1002:Ann:/home/ann:/bin/sh\nbad:x:y:1::/:\ncut:x\n",
  );
  writeFileSync(join(root, "etc/group"), "root:x:0:\nstaff:x:50:ann\naudio:x:29:\n");
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const named = (uid: string, gid = "", ...additionalGids: string[]): NamedUser => ({ uid, gid, additionalGids });

test.each([
  ["a user name, with the group of its entry", named("ann"), [1001, 1002, []]],
  ["groups by name", named("ann", "staff", "audio", "root"), [1001, 50, [29, 0]]],
  ["numbers without an entry", named("7", "8", "9"), [7, 8, [9]]],
  ["a group without a user", named("", "staff"), [0, 50, []]],
  ["an empty user", named(""), [0, 0, []]],
])("%s is resolved", async (_, user, [uid, gid, additionalGids]) => {
  expect(await resolveUser(contained, { container: "", path: root }, nobody, user)).toEqual({
    uid,
    gid,
    additionalGids,
  });
});

test("numbers and umask of the spec take precedence", async () => {
  const given = { uid: 5, gid: 0, additionalGids: [] };
  expect(await resolveUser(contained, { container: "", path: root }, given, named("ann"))).toBe(given);
  expect(
    await resolveUser(contained, { container: "", path: root }, { ...nobody, umask: 7 }, named("ann")),
  ).toMatchObject({ uid: 1001, umask: 7 });
  expect(await resolveUser(contained, { container: "", path: root }, nobody, undefined)).toBe(nobody);
});

test.each([
  ["a missing user", named("bob"), `user "bob" is not in the container's /etc/passwd`],
  ["a missing group", named("ann", "wheel"), `group "wheel" is not in the container's /etc/group`],
  ["an entry without a number", named("bad"), 'user "bad" has no valid number'],
  ["an entry without fields", named("cut"), 'user "cut" has no valid number'],
  ["the number that means no user", named("4294967295"), 'user "4294967295" has no valid number'],
])("%s is refused", async (_, user, message) => {
  await expect(resolveUser(contained, { container: "", path: root }, nobody, user)).rejects.toThrow(message);
});

test("links in the image can't lead out of it", async () => {
  rmSync(join(root, "etc/passwd"));
  symlinkSync("/../../../../../etc/passwd", join(root, "etc/passwd"));
  await expect(resolveUser(contained, { container: "", path: root }, nobody, named("daemon"))).rejects.toThrow(
    "is not in the container's /etc/passwd",
  );
});
