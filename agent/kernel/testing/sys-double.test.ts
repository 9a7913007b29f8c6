import { expect, test } from "vitest";
import { SystemError } from "../error.ts";
import { createSysDouble } from "./sys-double.ts";

test("the double records calls in order, with the bytes as they were", async () => {
  const sys = createSysDouble();
  const { read, write } = sys.pipe({ sizeBytes: 4096 });
  const buffer = new Uint8Array([1, 2]);
  expect(sys.write(write, buffer)).toBe(2);
  buffer.fill(0);
  await sys.poll(read, "read");
  expect(sys.calls).toEqual([
    ["pipe", { sizeBytes: 4096 }],
    ["write", write, new Uint8Array([1, 2])],
    ["poll", read, "read"],
  ]);
});

test("the double lists descriptors left open, and closing one twice fails with EBADF", () => {
  const sys = createSysDouble();
  const { read, write } = sys.pipe();
  const copy = sys.dup(read);
  expect(new Set([read, write, copy]).size).toBe(3);
  sys.close(read);
  expect([...sys.open]).toEqual([write, copy]);
  expect(() => sys.close(read)).toThrow(`close fd ${read}: EBADF (bad file descriptor)`);
});

test("the double gives scripted answers in order, then returns to its usual behaviour", async () => {
  const sys = createSysDouble();
  const full = new SystemError("mount", 28, "tmpfs on /x");
  sys.script("mount", full);
  sys.script("read", -1, (_fd, into) => into.fill(7).length, 0);
  const into = new Uint8Array(3);
  expect([sys.read(5, into), sys.read(5, into), sys.read(5, into), sys.read(5, into)]).toEqual([-1, 3, 0, 0]);
  expect(into).toEqual(new Uint8Array([7, 7, 7]));
  await expect(sys.mount("tmpfs", "/x", "tmpfs", 0, "")).rejects.toBe(full);
  await expect(sys.mount("tmpfs", "/x", "tmpfs", 0, "")).resolves.toBeUndefined();
});
