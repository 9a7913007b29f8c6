import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { encodeStreamFrame, STREAM, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { listCores, readCore } from "./cores.ts";

const { v1 } = guestd;
const request = codec("guestd.v1.CoreRequest", v1.CoreRequest);
const start = codec("guestd.v1.CoreStart", v1.CoreStart);
const failure = codec("guestd.v1.Failure", v1.Failure);

const frame = (type: Parameters<typeof encodeStreamFrame>[0], at: number, payload?: Uint8Array) =>
  encodeStreamFrame(type, STREAM.process, at, payload);
const begin = (size = 6) =>
  frame("coreStart", 0, start.encode({ version: 1, epoch: Uint8Array.of(7), core: { id: 3, size } }));
const data = (text: string, at: number) => frame("coreData", at, Buffer.from(text));
const end = (at: number) => frame("coreEnd", at);

const described = v1.CoreDump.decode(v1.CoreDump.encode({ id: 1, ms: 5 }).finish());

let directory: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "cores-"));
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server?.close();
  rmSync(directory, { recursive: true });
});

/** Serves an agent that answers each connection with the next frames, then ends it. Returns what it was asked for. */
async function serve(...answers: readonly (readonly Buffer[])[]) {
  const asked: guestd.v1.CoreRequest[] = [];
  const left = [...answers];
  const listening = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    const parser = new StreamFrameParser("client");
    socket.on("data", (chunk: Buffer) => {
      for (const { type, payload } of parser.push(chunk)) if (type === "core") asked.push(request.decode(payload));
      socket.end(Buffer.concat([...(left.shift() ?? [])]));
    });
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(`${directory}/agent`, resolve));
  return { address: `unix://${directory}/agent`, asked };
}

const read = async (address: string) =>
  Buffer.concat(await Array.fromAsync(readCore(address, 3, { giveUpMs: 500 }))).toString();

test("continues at the byte where a connection ended, with the epoch of the first", async () => {
  const { address, asked } = await serve(
    [],
    [begin(), data("ab", 0)],
    [begin(), data("cde", 2)],
    [begin(), data("f", 5), end(6)],
  );
  expect(await read(address)).toBe("abcdef");
  expect(asked.map(({ from }) => from)).toEqual([0, 0, 2, 5]);
  expect(asked.map(({ epoch }) => epoch.length)).toEqual([0, 0, 1, 1]);
});

test("a core dump without its end is never complete", async () => {
  const { address } = await serve([begin(), data("abcdef", 0)]);
  await expect(read(address)).rejects.toThrow("get core dump 3: the connection was lost: the connection ended");
});

test.each([
  ["a gap", [begin(), data("b", 1)], "byte 1 came after byte 0 of 6"],
  ["a byte twice", [begin(), data("ab", 0), data("b", 1)], "byte 1 came after byte 2 of 6"],
  ["more than its size", [begin(), data("abcdefg", 0)], "byte 0 came after byte 0 of 6"],
  ["bytes before it is described", [data("a", 0)], "byte 0 came after byte 0 of undefined"],
  ["an early end", [begin(), data("ab", 0), end(2)], "it ends at byte 2, not at 6"],
  ["no description", [frame("coreStart", 0, start.encode({ version: 1 }))], "the agent doesn't describe it"],
  ["an error", [frame("error", 0, failure.encode({ kind: "not-found", message: "gone\x1b[2J" }))], "gone\\u001b[2J"],
])("an agent that sends %s is refused in one line", async (_, frames, message) => {
  const { address } = await serve(frames);
  await expect(read(address)).rejects.toThrow(message);
});

test.each([
  ["a number beyond all bytes", { id: Number.MAX_SAFE_INTEGER, size: 1 }],
  ["a size beyond all bytes", { id: 1, size: Number.MAX_SAFE_INTEGER }],
])("a list with %s is refused", async (_, core) => {
  const list = async () => ({ cores: [{ ...described, ...core }] });
  await expect(listCores({ guest: { listCores: list } as never })).rejects.toThrow("core dumps: the agent sent number");
});

test("a list is read as it is described", async () => {
  const list = async () => ({ cores: [described] });
  expect(await listCores({ guest: { listCores: list } as never })).toMatchObject([
    { id: 1, container: "", cut: "", uid: 0, time: new Date(5) },
  ]);
});
