import { afterEach, expect, test } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { nativeAddon } from "./native-addon.ts";
import { openSys } from "./sys.ts";

const sys = openSys();
const none = new Uint8Array();
leavesNoDescriptors();
const opened = new Set<number>();
afterEach(() => {
  for (const fd of opened) sys.close(fd);
  opened.clear();
});

/** A pipe with `content`, a second one, and a connection. */
function open(content: Uint8Array, sizeBytes = 0) {
  const [from, through] = [sys.pipe({ sizeBytes: 1 << 20 }), sys.pipe({ sizeBytes })];
  const [to, peer] = sys.socketPair("stream");
  for (const fd of [from.read, from.write, through.read, through.write, to, peer]) {
    opened.add(fd);
    sys.setNonBlocking(fd);
  }
  sys.write(from.write, content);
  const received = (most: number) => {
    const into = Buffer.alloc(most);
    return into.subarray(0, Math.max(sys.read(peer, into), 0));
  };
  const send = (length: number, most: number, headers: Uint8Array) =>
    sys.sendFrames(from.read, through, to, length, most, headers);
  const hangUp = () => {
    opened.delete(peer);
    sys.close(peer);
  };
  return { from: from.read, through, to, received, send, hangUp };
}

test("sends frames after equal parts of the headers, and leaves the bytes after them", () => {
  const { send, received, from, through } = open(Buffer.from("abcdefgh"));
  expect([send(7, 3, Buffer.from("<1><2><3>")), String(received(99))]).toEqual([16, "<1>abc<2>def<3>g"]);
  expect([sys.readable(from), sys.readable(through.read)]).toEqual([1, 0]);
  expect([send(1, 1, none), String(received(99))]).toEqual([1, "h"]);
});

test("what a socket has no room for stays in the second pipe", () => {
  const content = Buffer.alloc(800_000, "0123456789");
  const { send, received, from, through } = open(content, 1 << 20);
  const sent = send(800_000, 61_440, Buffer.alloc(14 * 16, "-"));
  expect(sent).toBeGreaterThan(61_456);
  expect([sys.readable(from), sys.readable(through.read)]).toEqual([0, 800_000 + 14 * 16 - sent]);
  expect(received(16 + 61_440 + 16).toString("latin1", 61_436)).toBe(
    `${content.toString("latin1", 0, 20)}${"-".repeat(16)}`,
  );
});

test("a full socket takes nothing", () => {
  const { send, to, from, through } = open(Buffer.from("abc"));
  while (sys.write(to, Buffer.alloc(100_000)) > 0);
  expect([send(3, 3, Buffer.from("h")), sys.readable(from), sys.readable(through.read)]).toEqual([-1, 0, 4]);
});

test("too few bytes, a second pipe that is full, and a peer that is gone are errors", () => {
  const short = open(Buffer.from("abc"));
  expect(() => short.send(4, 4, none)).toThrow(`send frames fd ${short.from} to fd ${short.to}: EIO`);
  const full = open(Buffer.from("abc"), 4096);
  sys.write(full.through.write, Buffer.alloc(4096));
  expect(() => full.send(3, 3, none)).toThrow("EIO");
  expect(() => full.send(3, 3, Buffer.from("h"))).toThrow("EIO");
  const gone = open(Buffer.from("abc"));
  gone.hangUp();
  expect(() => gone.send(3, 3, none)).toThrow("EPIPE");
});

test("takes four descriptors", () => {
  const call = nativeAddon().sendFrames as (...args: readonly unknown[]) => unknown;
  for (const fds of [[], [1, 2, 3], [1, 2, 3, 4, 5]]) {
    expect(() => call(fds, 1, 1, none)).toThrow("descriptors must be four");
  }
});
