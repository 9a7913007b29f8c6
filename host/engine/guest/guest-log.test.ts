import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { guestLog, readableLogLine } from "./guest-log.ts";

let directory: string;
let server: Server;
let serve: (socket: Socket) => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-log-"));
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(join(directory, "log"), resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

async function collect(signal?: AbortSignal): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of guestLog(`unix://${directory}/log`, signal)) lines.push(line);
  return lines;
}

test("ends the log with the guest", async () => {
  serve = (socket) => socket.end("one\ntwo\nthree");
  expect(await collect()).toEqual(["one", "two", "three"]);
});

test("ends the log without an error when the signal aborts", async () => {
  const stop = new AbortController();
  serve = (socket) => {
    socket.write("one\n");
    setTimeout(() => stop.abort(), 20);
  };
  expect(await collect(stop.signal)).toEqual(["one"]);
});

test("splits an endless line, to bound memory", async () => {
  serve = (socket) => socket.end(Buffer.alloc(1 << 20, "x"));
  const lines = await collect();
  expect(lines.map(({ length }) => length)).toEqual(Array(16).fill(1 << 16));
});

test("formats a line as time, level, message and variable fields", () => {
  const fixed = { name: "guestd", pid: 79, version: "0.1.0", source: "agent", subsystem: "agent" };
  const line = {
    level: "INFO",
    ts: "2026-11-25T01:58:18.403000000Z",
    ...fixed,
    rpc: "a/B",
    code: 5,
    error: "no such",
    msg: "call failed",
  };
  expect(readableLogLine(JSON.stringify(line))).toBe('01:58:18.403 INFO call failed rpc=a/B code=5 error="no such"');
});

test.each([
  ['{"ts":{"toString":1},"level":{"valueOf":null},"msg":{"toString":null}}', '{"valueOf":null} {"toString":null}'],
  [`{"msg":"deep","a":${"[".repeat(32_000)}${"]".repeat(32_000)}}`, "deep a=(nested too deeply to show)"],
])("formats a line whose values can't be converted: %.40s", (line, shown) => {
  expect(readableLogLine(line)).toBe(shown);
});

test.each(["plain text", "{broken", ""])("keeps a line that is not a record: %j", (line) => {
  expect(readableLogLine(line)).toBe(line);
});
