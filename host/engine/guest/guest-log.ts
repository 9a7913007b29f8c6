import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { dial } from "../../client/dial.ts";

/** Conventional vsock port of the agent's log, and the kernel parameter that enables it. */
export const LOG_PORT = 1025;
export const LOG_OPTION = `agent.log_vport=${LOG_PORT}`;

/** Maximum number of characters in a line; the agent's own lines are far shorter. */
const LINE_LIMIT = 64 * 1024;

/**
 * Yields the lines of the agent's log, buffered ones first, until the guest ends or the signal aborts. `onOpen` is called once
 * the connection is open.
 */
export async function* guestLog(address: string, signal?: AbortSignal, onOpen?: () => void): AsyncGenerator<string> {
  const socket = await dial(address, { signal });
  onOpen?.();
  const stop = () => socket.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  socket.on("error", () => undefined);
  try {
    yield* linesOf(socket);
  } catch {
    // The guest ended, or the signal aborted.
  } finally {
    signal?.removeEventListener("abort", stop);
    socket.destroy();
  }
}

/** Splits a stream into lines of bounded length, since the sender is untrusted. */
async function* linesOf(stream: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk as Buffer)).split(/\r?\n/);
    rest = lines.pop() ?? "";
    yield* lines;
    for (; rest.length > LINE_LIMIT; rest = rest.slice(LINE_LIMIT)) yield rest.slice(0, LINE_LIMIT);
  }
  if (rest !== "") yield rest;
}

/** Formats a log line for people: time, level, message and the fields that vary. */
export function readableLogLine(line: string): string {
  const record = parseRecord(line);
  if (record === undefined) return line;
  const { ts, level, msg, name: _name, pid: _pid, version: _v, source: _s, subsystem: _sub, ...fields } = record;
  const time = /T(\d\d:\d\d:\d\d\.\d{3})/.exec(plainText(ts ?? ""))?.[1] ?? "";
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  return [time, ...[level, msg].map((value) => plainText(value ?? "")), ...rest].join(" ").trim();
}

function fieldText(value: unknown): string {
  return typeof value === "string" && /[\s"]/.test(value) ? JSON.stringify(value) : plainText(value);
}

/** Never throws, since the sender is untrusted. */
function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value);
  } catch {
    return "(nested too deeply to show)";
  }
}

/** Returns undefined for anything but a JSON object. */
export function parseRecord(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
