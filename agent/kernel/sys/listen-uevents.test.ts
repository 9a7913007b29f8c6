import { expect, test } from "vitest";
import { listenUevents } from "./listen-uevents.ts";

const EAGAIN = -11;
const ENOBUFS = -105;
const FD = 7;

/** Listens on a socket with these results: texts are messages, numbers errors. Then there are no more messages. */
function listening(...results: (string | number)[]) {
  const seen: unknown[] = [];
  const closed: number[] = [];
  let [ready, lose] = [() => {}, (_error: unknown) => {}];
  const sys = {
    watch: (_fd: number, onReady: () => void, onLost: (error: unknown) => void) => {
      [ready, lose] = [onReady, onLost];
      return () => undefined;
    },
    close: (fd: number) => void closed.push(fd),
  };
  const receiveUevent = (_fd: number, into: Uint8Array) => {
    const next = results.shift() ?? EAGAIN;
    return typeof next === "number" ? next : Buffer.from(next).copy(into);
  };
  const stop = listenUevents(
    sys,
    (message) => seen.push(message && String(Buffer.from(message))),
    (error) => seen.push(error),
    { ueventSocket: () => FD, receiveUevent },
  );
  return { seen, closed, stop, ready: () => ready(), lose: (error: unknown) => lose(error), results };
}

test("each message of the kernel is passed on, and lost ones are reported where they were", () => {
  const { seen, closed, ready, stop } = listening("add@/a", ENOBUFS, 0, "remove@/b", EAGAIN, "late");
  ready();
  expect(seen.splice(0)).toEqual(["add@/a", undefined, "remove@/b"]);
  ready();
  expect([seen, closed]).toEqual([["late"], []]);
  stop();
  expect(closed).toEqual([FD]);
});

test("other work has its turn after 64 messages", () => {
  const { seen, ready, results } = listening(...new Array<string>(70).fill("add@/a"));
  ready();
  expect([seen.length, results.length]).toEqual([64, 6]);
});

test("an error of the socket ends the messages, and closes it", () => {
  const { seen, closed, ready, lose } = listening("add@/a", -9);
  expect(ready).toThrow("recv of uevents on fd 7: EBADF (bad file descriptor)");
  const error = new Error("lost");
  lose(error);
  expect([seen, closed]).toEqual([["add@/a", error], [FD]]);
});

test("a socket that can't be made or watched throws, and nothing stays open", () => {
  const closed: number[] = [];
  const watch = () => {
    throw new Error("no more watches");
  };
  const listen = (ueventSocket: () => number) => () =>
    listenUevents(
      { watch, close: (fd) => void closed.push(fd) },
      () => undefined,
      () => undefined,
      { ueventSocket, receiveUevent: () => EAGAIN },
    );
  expect(listen(() => -93)).toThrow("socket for uevents: EPROTONOSUPPORT");
  expect(closed).toEqual([]);
  expect(listen(() => FD)).toThrow("no more watches");
  expect(closed).toEqual([FD]);
});
