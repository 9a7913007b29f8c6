import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect as connectClient } from "../../host/client/agent-client.ts";
import {
  END_HEADERS,
  END_STREAM,
  HEADERS,
  header,
  http2,
  PREFACE,
  SETTINGS,
} from "../transport/testing/http2-frames.ts";

/** A POST of an unknown method: the server answers it completely at once. */
const PATH = "/a/b";
const REQUEST = Buffer.concat([
  ...[Buffer.of(0x83, 0x86, 4, PATH.length), Buffer.from(PATH), Buffer.of(1, 1, 0x78)],
  ...[header("te", "trailers"), header("content-type", "application/grpc")],
]);
const TRAILERS = http2(
  HEADERS,
  END_HEADERS | END_STREAM,
  1,
  Buffer.concat([header("a", "b".repeat(90)), header("c", "d".repeat(90))]),
);
const CONNECTIONS = 40;

let server: ChildProcess;
let path: string;
let errors = "";

beforeEach(async () => {
  const script = join(import.meta.dirname, "flood/collecting-server.ts");
  server = spawn(process.execPath, ["--expose-gc", script], { stdio: ["ignore", "pipe", "pipe"] });
  server.stderr?.on("data", (data: Buffer) => (errors += data.toString()));
  if (server.stdout === null) throw new Error("stdout is a pipe");
  path = String((await once(server.stdout, "data"))[0]);
});
afterEach(async () => {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill("SIGKILL");
  await once(server, "exit");
});

/** Sends half of the trailers at once, or after the answer, then closes. */
async function cutTrailers(afterAnswer: boolean): Promise<void> {
  const socket = connect(path);
  const answered = once(
    socket.on("error", () => undefined),
    "data",
  );
  const begun = Buffer.concat([PREFACE, http2(SETTINGS, 0, 0), http2(HEADERS, END_HEADERS, 1, REQUEST)]);
  const half = TRAILERS.subarray(0, 9 + 150);
  if (afterAnswer) {
    socket.write(begun);
    await answered;
    socket.write(half);
  } else {
    socket.write(Buffer.concat([begun, half]));
    await answered;
  }
  await sleep(20);
  socket.destroy();
}

/** Returns the error of a call over a new connection. */
async function checkError(): Promise<string> {
  try {
    await using client = await connectClient(`unix://${path}`, { protocol: "grpc" });
    await client.health.check({});
    return "answered";
  } catch (error) {
    return (error as Error).message;
  }
}

test("connections that end within the trailers of an answered call leave the server running", async () => {
  for (let round = 0; round < 3; round++) {
    const all = Array.from({ length: CONNECTIONS }, (_, at) => cutTrailers(at % 2 === 0));
    await Promise.race([Promise.all(all), once(server, "exit")]);
    await sleep(200); // the garbage is collected some times
  }
  const line = await checkError();
  expect(errors).toBe("");
  expect(line).toMatch(/unimplemented|does not implement/i);
});
