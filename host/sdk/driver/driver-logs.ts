import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { StringDecoder } from "node:string_decoder";
import { readContainerLog } from "../../engine/container/container-log.ts";
import { guestLog, readableLogLine } from "../../engine/guest/guest-log.ts";
import { agentLogFile, consoleFile } from "../../engine/guest/guest-logs.ts";
import type { GuestRecord } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { cleanLine } from "../../vm/console.ts";
import { Handoff } from "../call/handoff.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import type { LogChunk, LogOptions } from "../sandbox/sandbox-log.ts";

/** Yields the log that an agent keeps of a container. `address` is that of guestd.v1.Streams. */
export async function* containerLog(
  { address, container }: { readonly address: string; readonly container: string },
  { follow = false, tail, since }: LogOptions,
  signal: AbortSignal,
): AsyncGenerator<LogChunk> {
  const chunks = new Handoff<LogChunk>();
  const leave = new AbortController();
  const decoders = { stdout: new StringDecoder("utf8"), stderr: new StringDecoder("utf8") };
  const reading = readContainerLog(address, container, {
    follow,
    tail,
    since,
    timestamps: false,
    signal: AbortSignal.any([signal, leave.signal]),
    print: (stream, bytes) => chunks.put({ stream, text: decoders[stream].write(Buffer.from(bytes)), isGap: false }),
    warn: (line) => chunks.put({ stream: "stderr", text: `${line}\n`, isGap: true }),
  });
  reading.then(
    () => {
      for (const stream of ["stdout", "stderr"] as const)
        void chunks.put({ stream, text: decoders[stream].end(), isGap: false });
      chunks.end();
    },
    (error: unknown) => chunks.end({ error }),
  );
  try {
    for await (const chunk of chunks.items()) for (const text of linesOf(chunk.text)) yield { ...chunk, text };
  } finally {
    leave.abort();
  }
}

/** Splits a text after each newline. */
function* linesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at) + 1 || text.length;
    yield text.slice(at, end);
    at = end;
  }
}

/** Yields the agent's log or the console of a guest of this user. */
export async function* guestLogOf(
  store: StateStore,
  guest: GuestRecord,
  { source, follow }: { readonly source: "agent" | "console"; readonly follow: boolean },
  signal: AbortSignal,
): AsyncGenerator<LogChunk> {
  const chunk = (text: string): LogChunk => ({ stream: "stdout", text: `${text}\n`, isGap: false });
  if (source === "agent" && follow) {
    for await (const line of guestLog(guest.logAddress, signal)) yield chunk(readableLogLine(line));
    return;
  }
  if (follow) throw sandboxError("invalid-argument", "logs of the console: follow is for the container and the agent");
  const path = (source === "agent" ? agentLogFile : consoleFile)(store, guest.name);
  const show = source === "agent" ? readableLogLine : cleanLine;
  for (const file of [`${path}.1`, path].filter((each) => existsSync(each))) {
    for await (const line of createInterface(createReadStream(file, { signal }))) yield chunk(show(line));
  }
}
