import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { dial } from "../../host/client/dial.ts";
import { type ServedChannel, serveChannel } from "../../host/vm/channel/serve-channel.ts";
import { buildRelay, ChannelParts } from "./testing/channel.ts";

const WINDOW = 262_144;

beforeAll(buildRelay);

/** The host's end in TypeScript and the guest's in C, joined by a socket instead of a virtio-serial port. */
describe("the channel, both its ends", () => {
  let parts: ChannelParts;
  let served: ServedChannel;
  const failures: string[] = [];
  const connect = async (port: number) => (await dial(`hvsock://${parts.path}:${port}`)) as Socket;
  beforeEach(async () => {
    parts = new ChannelParts();
    failures.length = 0;
    served = await serveChannel(parts, (error) => failures.push(String(error)));
    await parts.listen(7, (socket) => socket.pipe(socket));
    parts.startRelay();
  });
  afterEach(async () => {
    served.close();
    await parts[Symbol.asyncDispose]();
    expect(failures).toEqual([]);
  });

  test("every byte arrives once and in order, each way, on many connections beside each other, and so does each end", async () => {
    const sizes = [0, 1, 100, 32_760, 32_761, 70_000, WINDOW, WINDOW + 1, 3_000_000];
    await Promise.all(
      [...sizes, ...sizes, ...sizes].map(async (size) => {
        const sent = randomBytes(size);
        const client = await connect(7);
        client.end(sent); // half: the answer comes after it
        expect((await buffer(client)).equals(sent), `${size} bytes`).toBe(true);
      }),
    );
  });

  test("many more connections than there are numbers work, one after the other and together", async () => {
    for (let round = 0; round < 12; round++) {
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) => {
          const client = await connect(7);
          client.end(`${index}`);
          expect((await buffer(client)).toString()).toBe(`${index}`);
        }),
      );
    }
  });

  test("a client that doesn't read holds up no other, and gets everything later", async () => {
    const sent = randomBytes(4 * WINDOW);
    await parts.listen(8, (socket) => socket.end(sent));
    const slow = await connect(8);
    const fast = await connect(7);
    fast.end("past it");
    expect((await buffer(fast)).toString()).toBe("past it");
    expect((await buffer(slow)).equals(sent)).toBe(true);
  });

  test("a listener that doesn't read holds up no other, and gets everything later", async () => {
    const sent = randomBytes(4 * WINDOW);
    const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
    await parts.listen(8, (socket) => resolve(socket.pause()));
    const slow = await connect(8);
    slow.end(sent);
    const held = await accepted;
    const fast = await connect(7);
    fast.end("past it");
    expect((await buffer(fast)).toString()).toBe("past it");
    expect((await buffer(held)).equals(sent)).toBe(true);
  });

  test("a port without a listener is refused", async () => {
    await expect(connect(9)).rejects.toThrow("closed the connection; check that the guest listens on the port");
  });

  test("the agent's close reaches the client after the last byte, and the client's close the agent", async () => {
    const closed = Promise.withResolvers<void>();
    await parts.listen(8, (socket) => socket.end("bye", () => socket.destroy()));
    await parts.listen(9, (socket) => {
      socket.on("data", () => socket.write("x".repeat(10))).once("close", () => closed.resolve());
    });
    expect((await buffer(await connect(8))).toString()).toBe("bye");
    const client = await connect(9);
    client.write("a");
    await once(client, "data");
    client.destroy();
    await parts.listen(10, (socket) => socket.pipe(socket));
    const next = await connect(10);
    next.end("free again");
    expect((await buffer(next)).toString()).toBe("free again");
  });

  test("a relay that is started again begins a new session: its clients end, and the next are served", async () => {
    const client = await connect(7);
    const ended = new Promise((resolve) => client.on("error", () => undefined).once("close", resolve));
    const flood = setInterval(() => client.write(Buffer.alloc(WINDOW)), 1);
    client.resume();
    await once(client, "data");
    await parts.killRelay();
    clearInterval(flood);
    parts.startRelay();
    await ended;
    const next = await connect(7);
    next.end("anew");
    expect((await buffer(next)).toString()).toBe("anew");
  });
});

/** A host that is the test itself. */
describe("the guest's end of the channel", () => {
  let parts: ChannelParts;
  let host: Server;
  let port: Socket;
  let received: Buffer;
  const word = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const frame = (code: number, connection: number, payload: Buffer = Buffer.alloc(0)) =>
    Buffer.concat([Buffer.of(code, 0, payload.length & 0xff, payload.length >> 8), word(connection), payload]);
  const HELLO_BYTES = 28;
  const [WELCOME, OPEN, OPENED, DATA, CREDIT, END, CLOSE] = [2, 3, 4, 5, 6, 7, 8] as const;

  /** Waits for the relay's HELLO and returns its nonce. */
  async function hello(): Promise<Buffer> {
    [port] = (await once(host, "connection")) as [Socket];
    received = Buffer.alloc(0);
    port.on("error", () => undefined);
    port.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
    });
    await expect.poll(() => received.length).toBe(HELLO_BYTES);
    expect(received.subarray(0, 12)).toEqual(Buffer.concat([frame(1, 0).fill(20, 2, 3), word(1)]));
    const nonce = received.subarray(12);
    received = Buffer.alloc(0);
    return nonce;
  }

  beforeEach(async () => {
    parts = new ChannelParts();
    host = createServer();
    host.listen({ path: parts.socket });
    await once(host, "listening");
    await parts.listen(7, (socket) => socket.pipe(socket));
    parts.startRelay();
  });
  afterEach(async () => {
    host.close();
    port.destroy();
    await parts[Symbol.asyncDispose]();
  });

  test("drops what was meant for an earlier session, even half a frame, up to the echo of its nonce", async () => {
    const nonce = await hello();
    const stale = Buffer.concat([
      randomBytes(100_000),
      frame(OPEN, 0, word(7)),
      frame(DATA, 0, Buffer.alloc(9)).subarray(0, 12),
    ]);
    port.write(
      Buffer.concat([stale, frame(WELCOME, 0, nonce), frame(OPEN, 3, word(7)), frame(DATA, 3, Buffer.from("x"))]),
    );
    await expect.poll(() => received).toEqual(Buffer.concat([frame(OPENED, 3), frame(DATA, 3, Buffer.from("x"))]));
  });

  const data = (length: number) => frame(DATA, 0, Buffer.alloc(length));
  test.each<readonly [string, readonly Buffer[], string]>([
    ["a type that doesn't exist", [frame(9, 0)], "Bad message"],
    ["a second welcome", [frame(WELCOME, 0, Buffer.alloc(16))], "Bad message"],
    ["a connection beyond the last", [frame(OPEN, 1024, word(7))], "Bad message"],
    ["a short open", [frame(OPEN, 0, Buffer.alloc(3))], "Bad message"],
    ["data that is too long", [Buffer.concat([frame(DATA, 0).fill(0xff, 2, 4), Buffer.alloc(65_535)])], "Bad message"],
    ["a connection twice", [frame(OPEN, 0, word(7)), frame(OPEN, 0, word(7))], "Protocol error"],
    ["data of no connection", [data(1)], "Protocol error"],
    ["data after its end", [frame(OPEN, 0, word(7)), frame(END, 0), data(1)], "Protocol error"],
    ["a second end", [frame(OPEN, 0, word(7)), frame(END, 0), frame(END, 0)], "Protocol error"],
    ["an end after its close", [frame(OPEN, 0, word(7)), frame(CLOSE, 0), frame(END, 0)], "Protocol error"],
    ["credit for bytes that were not sent", [frame(OPEN, 0, word(7)), frame(CREDIT, 0, word(1))], "Protocol error"],
    [
      "data beyond its credit",
      [frame(OPEN, 0, word(8)), ...Array.from({ length: 30 }, () => data(32_760))],
      "Protocol error",
    ],
  ])("ends the session if the host sends %s, and begins another", async (_, frames, reason) => {
    await parts.listen(8, (socket) => socket.pause());
    const nonce = await hello();
    port.write(Buffer.concat([frame(WELCOME, 0, nonce), ...frames]));
    expect(await hello()).not.toEqual(nonce);
    expect(parts.ends.tail(5)).toEqual([reason]);
  });
});
