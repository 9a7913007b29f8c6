import { type EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import {
  type ClientHttp2Stream,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { PassingMessage } from "../passing-message.ts";
import { startRelay } from "../relay.ts";
import { grpcPassage } from "./grpc-passage.ts";

interface Relayed {
  /** Makes a call through the relay. */
  call(path: string, headers?: Record<string, string>): ClientHttp2Stream;
  /** Directions and methods of the messages that the relay saw. */
  readonly seen: string[];
  /** Path of the relay's socket. */
  readonly path: string;
  readonly errors: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Serves calls by a function, behind a relay. */
async function relayed(
  serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => unknown,
  onMessage = (message: PassingMessage) => message.pass(),
): Promise<Relayed> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-grpc-"));
  const server = createServer().on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    void serve(stream, headers);
  });
  await once(server.listen(join(folder, "agent.sock")), "listening");
  const [seen, errors]: string[][] = [[], []];
  const onError = ({ message }: Error) => void errors?.push(message);
  const relay = await startRelay({
    listen: `unix://${folder}/relay.sock`,
    to: `unix://${folder}/agent.sock`,
    onError,
    open: (connection) =>
      grpcPassage(connection, {
        onError,
        onMessage(message) {
          seen?.push(`${message.direction} of ${message.method}`);
          return onMessage(message);
        },
      }),
  });
  const socket = connectSocket(join(folder, "relay.sock"));
  const session = connect("http://agent", { createConnection: () => socket }).on("error", () => undefined);
  return {
    call: (path, headers) => {
      const stream = session.request({ ":method": "POST", ":path": path, ...headers }, { endStream: false });
      return stream.on("error", () => undefined);
    },
    seen: seen ?? [],
    errors: errors ?? [],
    path: join(folder, "relay.sock"),
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await relay[Symbol.asyncDispose]();
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Answers with what arrived, and with metadata before and after it. */
async function echo(stream: ServerHttp2Stream, { "x-sent": sent = "" }: IncomingHttpHeaders): Promise<void> {
  const body = await buffer(stream);
  stream.respond({ "x-before": sent }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": 0, "x-after": sent }));
  stream.end(body);
}

/** Resolves when a stream or session is closed, with or without an error. */
const closed = (stream: EventEmitter) => new Promise((resolve) => stream.once("close", resolve));

async function answerTo(stream: ClientHttp2Stream, request: Buffer) {
  const trailers = once(stream, "trailers");
  const response = once(stream, "response");
  stream.end(request);
  const body = await buffer(stream);
  const [[headers], [after]] = await Promise.all([response, trailers]);
  return { before: headers["x-before"], body, after: after["x-after"], status: after["grpc-status"] };
}

test("passes metadata, messages and trailers unchanged, also those of over 4 MiB", async () => {
  await using relay = await relayed(echo);
  for (const length of [0, 5, 70_000, 5_000_000]) {
    const body = Buffer.alloc(length, "message ");
    const answer = await answerTo(relay.call("/s/Echo", { "x-sent": `of ${length}` }), body);
    expect([answer.before, answer.after, answer.status]).toEqual([`of ${length}`, `of ${length}`, "0"]);
    expect(answer.body.equals(body)).toBe(true);
  }
  const small = ["request of Echo", "response of Echo"];
  expect(relay.seen).toEqual([...small, ...small, ...small]);
});

test("passes an error that has headers only", async () => {
  await using relay = await relayed((stream) => stream.respond({ "grpc-status": 5 }, { endStream: true }));
  const stream = relay.call("/s/Wait").end();
  const [headers, flags] = await once(stream, "response");
  expect([headers["grpc-status"], flags & 1]).toEqual(["5", 1]);
});

test("passes a stream on as it goes, in both directions", async () => {
  await using relay = await relayed((stream) => {
    stream.respond({ ":status": 200 });
    stream.on("data", (chunk: Buffer) => stream.write(`got ${chunk.toString()}`)).on("end", () => stream.end("end"));
  });
  const stream = relay.call("/s/Attach");
  stream.setEncoding("utf8");
  for (const text of ["one", "two", "three"]) {
    stream.write(text);
    expect(await once(stream, "data")).toEqual([`got ${text}`]);
  }
  stream.end();
  expect(await once(stream, "data")).toEqual(["end"]);
  expect(relay.seen).toEqual([]);
});

test("a call that one side resets is reset on the other", async () => {
  const reset = Promise.withResolvers<number>();
  await using relay = await relayed((stream, headers) => {
    stream.resume();
    if (headers[":path"] === "/s/Refused") stream.close(7);
    else stream.once("close", () => reset.resolve(stream.rstCode));
  });
  const refused = relay.call("/s/Refused").end();
  await closed(refused);
  const canceled = relay.call("/s/Canceled").end();
  await expect.poll(() => relay.seen).toEqual(["request of Refused", "request of Canceled"]);
  canceled.close(8);
  expect([refused.rstCode, await reset.promise]).toEqual([7, 8]);
});

test("an answer arrives although the agent closes the connection after it", async () => {
  await using relay = await relayed(
    async (stream) => {
      const { session } = stream;
      stream.once("close", () => session?.close());
      await echo(stream, {});
    },
    (message) => (message.direction === "response" ? message.passLater(100) : message.pass()),
  );
  const stream = relay.call("/s/DestroySandbox");
  const ended = closed(stream.session ?? stream);
  expect((await answerTo(stream, Buffer.from("last"))).body.toString()).toBe("last");
  await ended;
});

test("cuts a response within its message, and with it the connection", async () => {
  await using relay = await relayed(echo, (message) =>
    message.direction === "response" ? message.cut(6) : message.pass(),
  );
  const stream = relay.call("/s/Echo");
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk)).end("0123456789");
  await closed(stream);
  expect(Buffer.concat(chunks).toString()).toBe("012345");
});

test("cuts a request within its message, and with it the connection", async () => {
  const cut = Promise.withResolvers<string>();
  await using relay = await relayed(
    (stream) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.once("close", () => cut.resolve(Buffer.concat(chunks).toString()));
    },
    (message) => message.cut(4),
  );
  const stream = relay.call("/s/Echo").end("0123456789");
  await closed(stream);
  expect(await cut.promise).toBe("0123");
});

test("an answer that comes twice has its message twice", async () => {
  await using relay = await relayed(echo, (message) =>
    message.direction === "response" ? message.passTwice() : message.pass(),
  );
  expect((await answerTo(relay.call("/s/Echo"), Buffer.from("once "))).body.toString()).toBe("once once ");
});

test("a host that breaks the rules of HTTP/2 is reported, and its connection ends", async () => {
  await using relay = await relayed(echo);
  const socket = connectSocket(relay.path).on("error", () => undefined);
  socket.resume().write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"no frame".repeat(10)}`);
  await closed(socket);
  expect(relay.errors).toEqual([expect.stringMatching(/^connection 2: HTTP\/2 of the host: /)]);
});
