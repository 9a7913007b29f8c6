import { once } from "node:events";
import { openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { leavesNoDescriptors } from "../testing/leaves-no-descriptors.ts";
import { adoptListener, adoptVsockListener, bindUnix, type Listener, listenUnix } from "./listeners.ts";
import { openSys } from "./sys.ts";

leavesNoDescriptors();
const sys = openSys();
const NAME = `@guestd-listeners-${process.pid}`;

let listener: Listener | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener?.close();
});

/** Connects to the test's abstract socket. */
async function dial(): Promise<Socket> {
  const socket = connect(NAME.replace("@", "\0"));
  sockets.push(socket.on("error", () => undefined));
  await once(socket, "connect");
  return socket;
}

test("connections are accepted in order until the listener is closed, more than once", async () => {
  const accepted: number[] = [];
  listener = listenUnix(NAME, (fd) => accepted.push(fd));
  await dial();
  await dial();
  await expect.poll(() => accepted.length).toBe(2);
  await listener.close();
  await listener.close();
  await expect(dial()).rejects.toThrow("ECONNREFUSED");
  for (const fd of accepted) sys.close(fd);
});

test("an error of the receiver is reported, and the next connection is accepted", async () => {
  const errors: unknown[] = [];
  const accepted: number[] = [];
  const receive = (fd: number) => {
    accepted.push(fd);
    sys.close(fd);
    if (accepted.length === 1) throw new Error("can't be served");
  };
  listener = listenUnix(NAME, receive, (error) => errors.push(error));
  await dial();
  await dial();
  await expect.poll(() => accepted.length).toBe(2);
  expect(errors).toEqual([new Error("can't be served")]);
});

test("without a listener for errors, an error becomes a warning of the process", async () => {
  const warned = once(process, "warning");
  const receive = (fd: number) => {
    sys.close(fd);
    throw new Error("can't be served");
  };
  listener = listenUnix(NAME, receive);
  await dial();
  expect(await warned).toMatchObject([{ message: "can't be served" }]);
});

test("a connection without a vsock CID is closed and reported", async () => {
  const errors: unknown[] = [];
  const accepted: number[] = [];
  const fd = bindUnix(NAME);
  listener = adoptVsockListener(
    fd,
    (connection) => accepted.push(connection),
    (error) => errors.push(error),
  );
  const closed = once(await dial(), "close");
  await closed;
  expect(errors).toMatchObject([
    { call: "getpeername of a connection to", message: expect.stringContaining(`fd ${fd}`) },
  ]);
  expect(accepted).toEqual([]);
});

test("a descriptor that can't listen is closed, and the error names it", () => {
  const fd = openSync("/dev/null", "r");
  expect(() => adoptListener(fd, () => undefined)).toThrow(`listen on fd ${fd}: ENOTSOCK`);
});

test("a name that is taken is refused by its name", () => {
  listener = listenUnix(NAME, () => undefined);
  expect(() => bindUnix(NAME)).toThrow(`bind unix ${NAME}: EADDRINUSE`);
});

test("a listener that can't be watched reports that, and accepts once it can", async () => {
  const errors: unknown[] = [];
  const accepted: number[] = [];
  const fd = bindUnix(NAME);
  const unwatch = sys.watch(
    fd,
    () => undefined,
    () => undefined,
  );
  listener = adoptListener(
    fd,
    (connection) => accepted.push(connection),
    (error) => errors.push(error),
  );
  expect(errors).toHaveLength(1);
  unwatch();
  await dial();
  await expect.poll(() => accepted.length).toBe(1);
  for (const connection of accepted) sys.close(connection);
});
