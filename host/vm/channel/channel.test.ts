import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FrameType, frameHead, HEAD_BYTES, VERSION, WINDOW_BYTES } from "./frame.ts";
import { type ServedChannel, serveChannel } from "./serve-channel.ts";

const NONCE = Buffer.alloc(16, 0xab);

function word(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

const frame = (type: FrameType, connection: number, payload: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([frameHead(type, connection, payload.length), payload]);

/** A guest whose relay is the test itself: it sends frames, and sees the host's as text. */
describe("the host's end of the channel", () => {
  let directory: string;
  let served: ServedChannel;
  let guest: Socket;
  let failure: string;
  let received: Buffer;
  const path = () => join(directory, "vm.vsock");
  const hello = (version = VERSION) => guest.write(frame("hello", 0, Buffer.concat([word(version), NONCE])));
  const send = (...frames: Buffer[]) => guest.write(Buffer.concat(frames));

  /** Waits until the host has sent these bytes, and forgets them. */
  async function expectFrames(...frames: Buffer[]): Promise<void> {
    const all = Buffer.concat(frames);
    await expect.poll(() => received.length).toBeGreaterThanOrEqual(all.length);
    expect(received.subarray(0, all.length)).toEqual(all);
    received = received.subarray(all.length);
  }

  function client(port: number): Socket {
    const socket = connect({ path: path(), allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.write(`CONNECT ${port}\n`);
    return socket;
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "channel-"));
    [failure, received] = ["", Buffer.alloc(0)];
    served = await serveChannel({ path: path(), socket: join(directory, "port") }, (error) => {
      failure = String(error);
    });
    guest = connect(join(directory, "port"));
    guest.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
    });
    guest.on("error", () => undefined);
    await once(guest, "connect");
  });
  afterEach(() => {
    guest.destroy();
    served.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("clients wait for the guest's hello, and get OK once the guest has opened", async () => {
    const early = client(1024);
    hello();
    await expectFrames(frame("welcome", 0, NONCE), frame("open", 0, word(1024)));
    send(frame("opened", 0));
    const [ok] = (await once(early, "data")) as [Buffer];
    expect(String(ok)).toBe("OK 0\n");
    early.write("ping");
    await expectFrames(frame("data", 0, Buffer.from("ping")));
    send(frame("data", 0, Buffer.from("pong")), frame("end", 0));
    early.end();
    expect(String(await buffer(early))).toBe("pong");
    await expectFrames(frame("end", 0), frame("close", 0));
    const next = client(7);
    await expectFrames(frame("open", 1, word(7))); // the first one's number isn't free yet
    send(frame("close", 0));
    client(8);
    await expectFrames(frame("open", 0, word(8)));
    next.destroy();
  });

  test("a refused client is closed without OK, and its number is free again", async () => {
    hello();
    await expectFrames(frame("welcome", 0, NONCE));
    for (const _ of [1, 2]) {
      const refused = client(9);
      await expectFrames(frame("open", 0, word(9)));
      send(frame("close", 0));
      expect(await buffer(refused)).toHaveLength(0);
      await expectFrames(frame("close", 0));
    }
  });

  test("a client's bytes stop at the window, and continue with the guest's credit", async () => {
    hello();
    const sender = client(1);
    await expectFrames(frame("welcome", 0, NONCE), frame("open", 0, word(1)));
    send(frame("opened", 0));
    sender.resume().end(Buffer.alloc(WINDOW_BYTES + 1000));
    const payload = () => received.length - HEAD_BYTES * Math.ceil(received.length / (32_768 + 0));
    await expect.poll(payload).toBeGreaterThan(WINDOW_BYTES - 100);
    send(frame("credit", 0, word(1000)));
    await expect.poll(() => received.subarray(-HEAD_BYTES)).toEqual(frame("end", 0));
  });

  test("a second hello ends all clients of the first session", async () => {
    hello();
    const first = client(1);
    await expectFrames(frame("welcome", 0, NONCE), frame("open", 0, word(1)));
    send(frame("opened", 0));
    hello();
    expect(String(await buffer(first))).toBe("OK 0\n");
    await expectFrames(frame("welcome", 0, NONCE));
    client(2);
    await expectFrames(frame("open", 0, word(2)));
  });

  test("the channel fails if a guest begins sessions without end and reads nothing", async () => {
    guest.pause();
    const one = frame("hello", 0, Buffer.concat([word(VERSION), NONCE]));
    send(...Array<Buffer>(100_000).fill(one));
    await expect.poll(() => failure).toContain("the guest reads nothing");
  });

  test.each<readonly [string, readonly Buffer[], string]>([
    ["data before opened", [frame("data", 0, Buffer.of(1))], "before opened"],
    ["an end before opened", [frame("end", 0)], "before opened"],
    ["opened twice", [frame("opened", 0), frame("opened", 0)], "twice"],
    ["data after its end", [frame("opened", 0), frame("end", 0), frame("data", 0, Buffer.of(1))], "after its end"],
    ["an end after its close", [frame("close", 0), frame("end", 0)], "after its close"],
    ["credit for bytes that were not sent", [frame("opened", 0), frame("credit", 0, word(1))], "were not sent"],
    ["a frame of a connection that doesn't exist", [frame("end", 1)], "doesn't exist"],
    ["hello of another version", [frame("hello", 0, Buffer.concat([word(2), NONCE]))], "version is 2"],
    [
      "data beyond its credit",
      [frame("opened", 0), ...Array.from({ length: 30 }, () => frame("data", 0, Buffer.alloc(32_760)))],
      "beyond its credit",
    ],
  ])("the channel fails if the guest sends %s", async (_, frames, message) => {
    hello();
    client(1).pause();
    await expectFrames(frame("welcome", 0, NONCE), frame("open", 0, word(1)));
    send(...frames);
    await expect.poll(() => failure).toContain(message);
  });

  test.each(["CONNECT x\n", "CONNECT 4294967295\n", "GET / HTTP/1.1\n", "x".repeat(300)])(
    "closes a client that begins with %j",
    async (line) => {
      const socket = connect(path());
      socket.write(line);
      expect(await buffer(socket)).toHaveLength(0);
    },
  );
});
