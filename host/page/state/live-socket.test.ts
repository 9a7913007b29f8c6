import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type WebSocket as ServerSocket, WebSocketServer } from "ws";
import type { EventsMessage } from "../../serve/protocol/events.ts";
import { binaryFrame, type ClientFrame } from "../../serve/protocol/socket.ts";
import type { TerminalMessage } from "../../serve/protocol/terminal.ts";
import { type LinkState, LiveSocket } from "./live-socket.ts";

let server: WebSocketServer;
let clients: ServerSocket[];
let frames: ClientFrame[];
let states: LinkState[];
let hasSession: boolean;
beforeEach(async () => {
  [clients, frames, states, hasSession] = [[], [], [], true];
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  server.on("connection", (client) => {
    clients.push(client);
    client.on("message", (data, isBinary) => {
      if (!isBinary) frames.push(JSON.parse(`${data}`));
    });
  });
});
afterEach(() => {
  hasSession = false;
  for (const client of server.clients) client.terminate();
  server.close();
});

function start(): LiveSocket {
  const socket = new LiveSocket({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    hasSession: async () => hasSession,
    changed: (state) => states.push(state),
  });
  socket.start();
  return socket;
}

it("opens its channels again after each loss, and gives messages to their own channel", async () => {
  const socket = start();
  const seen: string[] = [];
  for (const guest of ["a", "b"]) {
    socket.open<EventsMessage>({
      request: () => ({ kind: "events", guest }),
      message: ({ events }) => seen.push(`${guest} ${events.length}`),
      lost: () => seen.push(`${guest} lost`),
    });
  }
  await expect.poll(() => frames).toHaveLength(2);
  clients[0]?.send(JSON.stringify({ on: 2, events: [] }));
  await expect.poll(() => seen).toEqual(["b 0"]);
  clients[0]?.terminate();
  await expect.poll(() => frames).toHaveLength(4);
  expect(frames.slice(2)).toEqual(frames.slice(0, 2));
  expect(seen.slice(1)).toEqual(["a lost", "b lost"]);
  expect(states).toEqual(["connecting", "open", "waiting", "connecting", "open"]);
});

it("carries bytes, closes once, and doesn't open an ended channel again", async () => {
  const socket = start();
  const [bytes, ends]: [string[], (string | undefined)[]] = [[], []];
  const open = (exec: string) =>
    socket.open<TerminalMessage>({
      request: () => ({ kind: "terminal", guest: "g", container: "c", exec, cols: 1, rows: 1 }),
      message: () => undefined,
      bytes: (each) => bytes.push(Buffer.from(each).toString()),
      ended: (error) => ends.push(error),
    });
  open("one");
  const second = open("two");
  await expect.poll(() => frames).toHaveLength(2);
  clients[0]?.send(binaryFrame(1, Buffer.from("hello")));
  clients[0]?.send(JSON.stringify({ end: 1, error: "gone" }));
  await expect.poll(() => [bytes, ends]).toEqual([["hello"], ["gone"]]);
  second.close();
  second.close();
  second.send({ takeover: true });
  await expect.poll(() => frames.at(-1)).toEqual({ close: 2 });
  clients[0]?.terminate();
  await expect.poll(() => states.filter((state) => state === "open")).toHaveLength(2);
  expect(frames).toHaveLength(3);
});

it("stops without a session", async () => {
  hasSession = false;
  start();
  await expect.poll(() => clients).toHaveLength(1);
  clients[0]?.terminate();
  await expect.poll(() => states.at(-1)).toBe("refused");
});
