import { expect, test } from "vitest";
import { fileSystemAnswers } from "./file-system-answers.ts";

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
])("a wait for %s probes %j", async (path, expected) => {
  const asked: string[] = [];
  await fileSystemAnswers(files, path, undefined, async (mount) => asked.push(mount));
  expect(asked).toEqual(expected);
});

test("a file system that doesn't answer is probed once, and callers wait until their signal aborts", async () => {
  const asked: string[] = [];
  const hang = Promise.withResolvers<void>();
  const ask = (mount: string) => {
    asked.push(mount);
    return hang.promise;
  };
  const patient = fileSystemAnswers(files, "/run/share/a", undefined, ask);
  const impatient = fileSystemAnswers(files, "/run/share/b", AbortSignal.timeout(10), ask);
  await expect(impatient).rejects.toMatchObject({ name: "TimeoutError" });
  expect(asked).toEqual(["/run/share"]);
  hang.resolve();
  await patient;
  await fileSystemAnswers(files, "/run/share/a", undefined, async (mount) => asked.push(mount));
  expect(asked).toEqual(["/run/share", "/run/share"]);
});

test("an error is an answer", async () => {
  await fileSystemAnswers(files, "/run/share", undefined, () => Promise.reject(new Error("ENOTCONN")));
});

test("a server that is mounted twice is probed once", async () => {
  const twice = {
    mounts: () => "tag /one virtiofs rw 0 0\ntag /two virtiofs rw 0 0\nx /three fuse rw 0 0\nx /four fuse rw 0 0",
  };
  const asked: string[] = [];
  const hang = Promise.withResolvers<void>();
  const ask = (mount: string) => {
    asked.push(mount);
    return mount === "/one" || mount === "/two" ? hang.promise : Promise.resolve();
  };
  const waiting = [
    fileSystemAnswers(twice, "/one/a", undefined, ask),
    fileSystemAnswers(twice, "/two/a", undefined, ask),
  ];
  await fileSystemAnswers(twice, "/three", undefined, ask);
  await fileSystemAnswers(twice, "/four", undefined, ask);
  expect(asked).toEqual(["/one", "/three", "/four"]);
  hang.resolve();
  await Promise.all(waiting);
});
