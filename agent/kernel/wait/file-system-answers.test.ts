import { expect, test } from "vitest";
import { untilAnswering } from "./file-system-answers.ts";

const MOUNTS = [
  "/dev/vda / ext4 rw 0 0",
  "kataShared /run/share virtiofs rw 0 0",
  "tmpfs /run/share/plain tmpfs rw 0 0",
  "one /run/covered tmpfs rw 0 0",
  "two /run/covered fuse.sshfs rw 0 0",
].join("\n");
const files = { mounts: () => MOUNTS };

test.each([
  ["/run/share/c1/rootfs", ["/run/share"]],
  ["/run/share", ["/run/share"]],
  ["/run/shared", []],
  ["/run/share/plain/x", []],
  ["/run/covered/x", ["/run/covered"]],
  ["/etc", []],
])("for %s, %j is asked", async (path, expected) => {
  const asked: string[] = [];
  await untilAnswering(files, path, undefined, async (mount) => asked.push(mount));
  expect(asked).toEqual(expected);
});

test("one that does not answer is asked once, and holds up callers until their signal", async () => {
  const asked: string[] = [];
  const hang = Promise.withResolvers<void>();
  const ask = (mount: string) => {
    asked.push(mount);
    return hang.promise;
  };
  const patient = untilAnswering(files, "/run/share/a", undefined, ask);
  const impatient = untilAnswering(files, "/run/share/b", AbortSignal.timeout(10), ask);
  await expect(impatient).rejects.toMatchObject({ name: "TimeoutError" });
  expect(asked).toEqual(["/run/share"]);
  hang.resolve();
  await patient;
  await untilAnswering(files, "/run/share/a", undefined, async (mount) => asked.push(mount));
  expect(asked).toEqual(["/run/share", "/run/share"]);
});

test("an error is an answer", async () => {
  await untilAnswering(files, "/run/share", undefined, () => Promise.reject(new Error("ENOTCONN")));
});

test("a server that is mounted twice is asked once", async () => {
  const twice = {
    mounts: () => "tag /one virtiofs rw 0 0\ntag /two virtiofs rw 0 0\nx /three fuse rw 0 0\nx /four fuse rw 0 0",
  };
  const asked: string[] = [];
  const hang = Promise.withResolvers<void>();
  const ask = (mount: string) => {
    asked.push(mount);
    return mount === "/one" || mount === "/two" ? hang.promise : Promise.resolve();
  };
  const waiting = [untilAnswering(twice, "/one/a", undefined, ask), untilAnswering(twice, "/two/a", undefined, ask)];
  await untilAnswering(twice, "/three", undefined, ask);
  await untilAnswering(twice, "/four", undefined, ask);
  expect(asked).toEqual(["/one", "/three", "/four"]);
  hang.resolve();
  await Promise.all(waiting);
});
