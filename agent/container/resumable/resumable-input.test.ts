import { setImmediate } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { AgentError } from "../../kernel/error.ts";
import { createLedgerMemory, StreamLedger } from "../../kernel/journal/stream-ledger.ts";
import type { InputStream } from "../process/input-stream.ts";
import { ResumableInput } from "./resumable-input.ts";
import type { ResumableParts } from "./resumable-output.ts";

const CLOSED = new AgentError("internal", "write to stdin: EPIPE (the process no longer reads it)");

/** Input of a process that has room for `room` bytes. */
function open(room: number) {
  const ledger = new StreamLedger(createLedgerMemory());
  const place = ledger.take(new Uint8Array(32)) ?? -1;
  const pipe = { room, text: "", error: undefined as Error | undefined, roomAgain: Promise.withResolvers<void>() };
  const feed = (at: number, bytes: Uint8Array) => {
    if (pipe.error !== undefined) throw pipe.error;
    const moved = Math.min(bytes.length, pipe.room);
    if (moved === 0) return -1;
    pipe.room -= moved;
    pipe.text += Buffer.from(bytes.subarray(0, moved)).toString();
    ledger.setStdin(at, ledger.stdin(at) + moved);
    return moved;
  };
  const writable = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      void pipe.roomAgain.promise.then(resolve);
    });
  const grow = (bytes: number) => {
    pipe.room += bytes;
    pipe.roomAgain.resolve();
    pipe.roomAgain = Promise.withResolvers();
  };
  const end = vi.fn((_signal: AbortSignal): Promise<void> => Promise.resolve());
  const parts = { ledger, place, mover: { feed } } as unknown as ResumableParts;
  const input = new ResumableInput(parts, { input: { writable } as unknown as InputStream, closeInput: end });
  const listener = { onWritten: vi.fn(), onRefused: vi.fn() };
  const client = new AbortController();
  return { input, pipe, grow, end, listener, client, writer: input.open(listener, client.signal) };
}

const bytes = (text: string) => Buffer.from(text);

test("each part that is written is reported, and the rest waits for room", async () => {
  const { input, pipe, grow, listener, writer } = open(3);
  writer.take(0, bytes("abcde"));
  writer.take(5, bytes("fg"));
  await setImmediate();
  expect([pipe.text, listener.onWritten.mock.calls, input.written]).toEqual(["abc", [[3]], 3]);
  grow(3);
  await setImmediate();
  grow(9);
  await setImmediate();
  expect([pipe.text, listener.onWritten.mock.calls]).toEqual(["abcdefg", [[3], [5], [6], [7]]]);
  expect([input.refused, listener.onRefused.mock.calls]).toEqual([undefined, []]);
});

test("the bytes that wait are a copy", async () => {
  const { pipe, grow, writer } = open(0);
  const sent = bytes("ab");
  writer.take(0, sent);
  sent.fill("x");
  grow(2);
  await setImmediate();
  expect(pipe.text).toBe("ab");
});

test("64 KiB may wait, and a byte more is refused, wherever the input stands", async () => {
  const { grow, writer } = open(0);
  writer.take(0, Buffer.alloc(65_536));
  const line = "input at 65536: over 65536 bytes are not acknowledged; wait for STDIN_ACK";
  const refused = expect.objectContaining({ kind: "resource-exhausted", message: line });
  expect(() => writer.take(65_536, Buffer.of(1))).toThrow(refused);
  grow(1);
  await setImmediate();
  writer.take(65_536, Buffer.of(1));
  expect(() => writer.take(65_537, Buffer.of(1))).toThrow("input at 65537: over 65536 bytes are not acknowledged");
  grow(70_000);
  await setImmediate();
});

test("bytes must follow those before, also of an earlier connection", async () => {
  const { input, listener, client, writer } = open(10);
  writer.take(0, bytes("ab"));
  const refused = (line: string) => expect.objectContaining({ kind: "invalid-argument", message: line });
  for (const at of [0, 1, 3]) {
    expect(() => writer.take(at, bytes("c"))).toThrow(refused(`input at ${at}: the next byte is 2`));
    expect(() => writer.end(at)).toThrow(refused(`input at ${at}: the next byte is 2`));
  }
  await setImmediate();
  const next = input.open(listener, client.signal);
  expect(() => next.take(0, bytes("c"))).toThrow(refused("input at 0: the next byte is 2"));
});

test("the end follows the bytes before it, and nothing follows the end", async () => {
  const { input, pipe, grow, end, listener, client, writer } = open(1);
  writer.take(0, bytes("ab"));
  writer.end(2);
  const refused = expect.objectContaining({ kind: "failed-precondition", message: "input at 2: the input has ended" });
  expect(() => writer.take(2, bytes("c"))).toThrow(refused);
  await setImmediate();
  expect([end.mock.calls.length, input.ended]).toEqual([0, false]);
  grow(1);
  await setImmediate();
  expect([pipe.text, end.mock.calls, input.ended]).toEqual(["ab", [[client.signal]], true]);
  expect(() => input.open(listener, client.signal).end(2)).toThrow(refused);
  await input.end(client.signal);
  expect([end.mock.calls.length, listener.onRefused.mock.calls]).toEqual([1, []]);
});

test("a process that doesn't read any more is reported once, and later input is dropped", async () => {
  const { input, pipe, end, listener, client, writer } = open(1);
  writer.take(0, bytes("ab"));
  pipe.error = CLOSED;
  writer.take(2, bytes("c"));
  await setImmediate();
  pipe.roomAgain.resolve();
  await setImmediate();
  expect([listener.onWritten.mock.calls, listener.onRefused.mock.calls]).toEqual([[[1]], [[1, CLOSED.message]]]);
  expect(input.refused).toBe(CLOSED.message);
  for (let piece = 0; piece < 3; piece++) writer.take(3 + piece * 65_536, Buffer.alloc(65_536));
  writer.end(3 + 3 * 65_536);
  await setImmediate();
  expect([listener.onRefused.mock.calls.length, end.mock.calls.length, input.ended]).toEqual([1, 0, false]);
  const next = { onWritten: vi.fn(), onRefused: vi.fn() };
  input.open(next, client.signal).take(1, bytes("b"));
  await setImmediate();
  expect([next.onWritten.mock.calls, next.onRefused.mock.calls]).toEqual([[], []]);
});

test("an end that fails is reported, but not to a client that is gone", async () => {
  const { input, end, listener, client, writer } = open(9);
  end.mockRejectedValue(new Error("init is gone"));
  writer.take(0, bytes("ab"));
  writer.end(2);
  await setImmediate();
  expect([listener.onRefused.mock.calls, input.ended]).toEqual([[[2, "init is gone"]], false]);
  const next = input.open(listener, client.signal);
  next.end(2);
  client.abort(new Error("detached"));
  await setImmediate();
  expect(listener.onRefused).toHaveBeenCalledOnce();
});

test("a client that leaves while its input waits is told nothing, and the input isn't refused", async () => {
  const { input, listener, client, grow, pipe, writer } = open(0);
  writer.take(0, bytes("ab"));
  await setImmediate();
  client.abort(new Error("detached"));
  await setImmediate();
  grow(9);
  await setImmediate();
  expect([listener.onRefused.mock.calls, listener.onWritten.mock.calls, pipe.text]).toEqual([[], [], ""]);
  expect(input.refused).toBeUndefined();
  const next = input.open(listener, new AbortController().signal);
  next.take(0, bytes("cd"));
  await setImmediate();
  expect([pipe.text, listener.onWritten.mock.calls]).toEqual(["cd", [[2]]]);
});
