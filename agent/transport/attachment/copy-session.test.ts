import { afterEach, describe, expect, test, vi } from "vitest";
import { STREAM } from "../../../proto/stream-frame.ts";
import { AgentError } from "../../kernel/error.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import type { Attaching } from "../../service/streams/attach.ts";
import { type Copy, Copying } from "../../service/streams/copying.ts";
import { ATTACHMENT_KINDS } from "./attachment-connection.ts";
import { closesConnections, serveClient } from "./testing/stream-client.ts";

leavesNoDescriptors();
closesConnections();
afterEach(() => {
  vi.restoreAllMocks();
});
const { process: PROCESS } = STREAM;
const denied = new AgentError("permission-denied", "copy: denied");
const failure = (kind: string, message: string) => ({ kind, message });

/** A client that copies, and the copy that the test plays. */
function serve(copy: { archive: () => AsyncIterable<Buffer> } | { extract: Extracting }, attaching = {}) {
  const close = vi.fn();
  const notes = () => ["one was left out"];
  const played: Copy = { ready: { version: 1, size: 5 }, notes, close, checkAgain: () => undefined, ...copy };
  const open = vi.spyOn(Copying.prototype, "open").mockResolvedValue(played);
  const served = serveClient({ attaching: attaching as Partial<Attaching>, kinds: ATTACHMENT_KINDS });
  served.client.send("copy", PROCESS, 0, Buffer.from("request"));
  return { ...served, close, open };
}
type Extracting = (source: AsyncIterable<Uint8Array>, onTaken: (position: number) => void) => Promise<void>;

async function* archiveOf(...pieces: Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}

describe("a copy out of a container", () => {
  test("sends the archive in frames of 32 KiB, then its end with what was left out", async () => {
    const archive = () => archiveOf(Buffer.alloc(40_000, "a"), Buffer.from("b"));
    const { client, close, open } = serve({ archive });
    const frames = await client.next(4);
    expect(frames[0]).toEqual(["copyReady", PROCESS, 0, expect.objectContaining({ version: 1, size: 5 })]);
    expect(frames.slice(1, 3).map(([type, , at, content]) => [type, at, String(content).length])).toEqual([
      ["copyData", 0, 32_752],
      ["copyData", 32_752, 7249],
    ]);
    const end = expect.objectContaining({ version: 1, notes: ["one was left out"] });
    expect(frames[3]).toEqual(["copyEnd", PROCESS, 40_001, end]);
    await expect.poll(() => close.mock.calls).toEqual([[true]]);
    expect(String(open.mock.calls[0]?.[0])).toBe("request");
    client.send("copyAck", PROCESS, 40_001).send("ping", PROCESS, 1);
    expect(await client.next(1)).toEqual([["pong", PROCESS, 1]]);
  });

  test("waits while 1 MiB isn't acknowledged", async () => {
    const { client } = serve({ archive: () => archiveOf(Buffer.alloc(32_752 * 33)) });
    const sent = await client.next(33);
    expect(sent.at(-1)?.slice(0, 3)).toEqual(["copyData", PROCESS, 32_752 * 31]);
    client.send("ping", PROCESS, 1);
    expect(await client.next(1)).toEqual([["pong", PROCESS, 1]]);
    client.send("copyAck", PROCESS, 32_752);
    expect((await client.next(2)).map(([type, , at]) => [type, at])).toEqual([
      ["copyData", 32_752 * 32],
      ["copyEnd", 32_752 * 33],
    ]);
  });

  test.each([
    ["copyAck", 6, "acknowledge byte 6: only 5 bytes were sent"],
    ["copyData", 0, "frame copyData: the agent sends the archive"],
    ["copyEnd", 5, "archive at 5: the next byte is 0"],
    ["events", 0, "frame events: the client is copying"],
  ] as const)("refuses %s at %i", async (type, at, message) => {
    const { client } = serve({ archive: () => archiveOf(Buffer.from("abcde")) });
    await client.next(3);
    client.send("pong", PROCESS, 0).send(type, PROCESS, at);
    expect(await client.failure()).toEqual(failure("invalid-argument", message));
  });

  test("that fails reports why; only a failure of the agent's own kind isn't continued", async () => {
    const fails = async function* (error: Error): AsyncGenerator<Buffer> {
      yield Buffer.from("a");
      throw error;
    };
    const known = serve({ archive: () => fails(denied) });
    expect(await known.client.failure()).toEqual(failure("permission-denied", "copy: denied"));
    expect(known.close.mock.calls).toEqual([[true]]);
    const unknown = serve({ archive: () => fails(new Error("surprise")) });
    expect(await unknown.client.failure()).toMatchObject({ kind: "internal" });
    expect(unknown.close.mock.calls).toEqual([[false]]);
  });

  test("ends with its connection, and may be continued", async () => {
    const { client, close } = serve({ archive: () => archiveOf(Buffer.alloc(2 << 20)) });
    await client.next(2);
    await client.close();
    await expect.poll(() => close.mock.calls).toEqual([[false]]);
  });

  test("ends its connection when the same copy begins again, which waits for that", async () => {
    const { client, open, close } = serve({ archive: () => archiveOf(Buffer.alloc(2 << 20)) });
    await client.next(2);
    await open.mock.calls[0]?.[1]();
    expect(close.mock.calls).toEqual([[false]]);
    await client.closed;
  });

  test("is one of its agent's copies", async () => {
    const [one, other] = [{ agent: {} }, { agent: {} }];
    const served = [one, one, other].map((attaching) => serve({ archive: () => archiveOf() }, attaching));
    for (const { client } of served) await client.next(2);
    const [first, second, third] = served[0]?.open.mock.contexts ?? [];
    expect(first).toBeInstanceOf(Copying);
    expect([first === second, first === third]).toEqual([true, false]);
  });
});

describe("a copy into a container", () => {
  test("takes the archive, acknowledges what was extracted, and ends the connection with what was left out", async () => {
    const got: string[] = [];
    const { client, close, isClosed } = serve({
      async extract(source, onTaken) {
        let position = 0;
        for await (const chunk of source) {
          got.push(String(chunk));
          position += chunk.length;
          onTaken(position + 100); // the last block of a member isn't whole yet
        }
      },
    });
    await client.next(1);
    client.send("copyData", PROCESS, 0, Buffer.from("abc"));
    expect(await client.next(1)).toEqual([["copyAck", PROCESS, 3]]);
    client.send("copyData", PROCESS, 3, Buffer.from("de"));
    expect(await client.next(1)).toEqual([["copyAck", PROCESS, 5]]);
    client.send("copyEnd", PROCESS, 5);
    const end = expect.objectContaining({ version: 1, notes: ["one was left out"] });
    expect(await client.next(1)).toEqual([["copyEnd", PROCESS, 5, end]]);
    expect([got, close.mock.calls]).toEqual([["abc", "de"], [[true]]]);
    client.send("ping", PROCESS, 1); // dropped: the last frame was sent
    expect(await client.rest()).toEqual([]);
    await expect.poll(isClosed).toBe(true);
  });

  test("acknowledges no more than was extracted", async () => {
    const { client } = serve({
      async extract(source, onTaken) {
        for await (const chunk of source) onTaken(chunk.length - 1);
      },
    });
    client.send("copyData", PROCESS, 0, Buffer.from("abc"));
    expect((await client.next(2))[1]).toEqual(["copyAck", PROCESS, 2]);
  });

  test.each([
    ["copyData", 2],
    ["copyData", 4],
    ["copyEnd", 4],
  ] as const)("takes %s at no other offset than the next, such as %i", async (type, at) => {
    const { client, close } = serve({ extract: async (source) => void (await Array.fromAsync(source)) });
    client
      .send("copyData", PROCESS, 0, Buffer.from("abc"))
      .send(type, PROCESS, at, type === "copyData" ? Buffer.of(1) : Buffer.of());
    expect(await client.failure()).toEqual(failure("invalid-argument", `archive at ${at}: the next byte is 3`));
    await expect.poll(() => close.mock.calls).toEqual([[false]]);
  });

  test("takes 1 MiB that isn't acknowledged, and a frame", async () => {
    const { client } = serve({ extract: async (source) => void (await Array.fromAsync(source)) });
    const piece = Buffer.alloc(65_536);
    for (let count = 0; count < 18; count++) client.send("copyData", PROCESS, count * 65_536, piece);
    const message = "archive at 1114112: over 1048576 bytes are not acknowledged";
    expect(await client.failure()).toEqual(failure("resource-exhausted", message));
  });

  test("that fails reports why, and ends with its connection", async () => {
    const failed = serve({ extract: () => Promise.reject(denied) });
    expect(await failed.client.failure()).toEqual(failure("permission-denied", "copy: denied"));
    expect(failed.close.mock.calls).toEqual([[true]]);
    const errors: unknown[] = [];
    const gone = serve({
      extract: (source) =>
        Array.fromAsync(source).then(
          () => undefined,
          (error: Error) => void errors.push(error.message),
        ),
    });
    await gone.client.next(1);
    await gone.client.close();
    await expect.poll(() => errors).toEqual(["the connection is closed"]);
  });
});
