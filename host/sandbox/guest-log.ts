import { createInterface } from "node:readline";
import { dial } from "../client/dial.ts";

/** vsock port of the agent's log, by convention, and the kernel's word that asks for it. */
export const LOG_PORT = 1025;
export const LOG_OPTION = `agent.log_vport=${LOG_PORT}`;

/** The agent's log: the lines that it kept, then each as it comes, until the guest ends or the signal is aborted. */
export async function* guestLog(address: string, signal?: AbortSignal): AsyncGenerator<string> {
  const socket = await dial(address, signal === undefined ? {} : { signal });
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
  const stop = () => socket.destroy();
  signal?.addEventListener("abort", stop, { once: true });
  socket.on("error", stop);
  socket.on("close", () => lines.close());
  try {
    yield* lines;
  } finally {
    signal?.removeEventListener("abort", stop);
    socket.destroy();
  }
}

/** A line of the log as a person reads it: time, level, message, and the fields that say something. */
export function readableLogLine(line: string): string {
  const record = parseRecord(line);
  if (record === undefined) return line;
  const { ts, level, msg, name: _name, pid: _pid, version: _v, source: _s, subsystem: _sub, ...fields } = record;
  const time = /T(\d\d:\d\d:\d\d\.\d{3})/.exec(String(ts))?.[1] ?? "";
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  return [time, String(level ?? ""), String(msg ?? ""), ...rest].join(" ").trim();
}

function fieldText(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return typeof value === "string" && /[\s"]/.test(text) ? JSON.stringify(text) : text;
}

/** Undefined for what is not a JSON object. */
export function parseRecord(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
