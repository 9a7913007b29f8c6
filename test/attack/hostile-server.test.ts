import { execFile } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AgentClient, connect } from "../../host/client/agent-client.ts";
import { RpcError } from "../../host/client/rpc-error.ts";
import { ttrpc } from "../../proto/gen/messages.js";
import { encodeHeader, FRAME_RESPONSE, MAX_BODY_BYTES } from "../../proto/ttrpc-frame.ts";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  flood,
  GOAWAY,
  HEADERS,
  header,
  http2,
  many,
  PING,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
} from "../transport/testing/http2-frames.ts";

/** Memory limit. V8 accumulates some 150 MiB before it collects. */
const MOST_BYTES = 300 << 20;
/** Deadlines of a call that nothing else ends, and of other calls. */
const [SHORT_MS, LONG_MS] = [700, 30_000];
/** ":status: 200" in HPACK. */
const STATUS_200 = Buffer.of(0x88);

function frame(streamId: number, body: Uint8Array, type = FRAME_RESPONSE, length = body.length): Buffer {
  return Buffer.concat([encodeHeader(length, { streamId, type, flags: 0 }), body]);
}

const status = (code: number, message: string) => ttrpc.Response.encode({ status: { code, message } }).finish();
const nested = (byte: number) => frame(1, Buffer.alloc(MAX_BODY_BYTES, byte));

type Attack = readonly [name: string, attack: (socket: Socket) => void, line: RegExp];
const UNANSWERED = /^\/grpc.Health\/Check: no answer within 700 ms$/;

const TTRPC: readonly Attack[] = [
  ["no response and no read", (socket) => void socket.pause(), UNANSWERED],
  [
    "empty frames without end",
    (socket) => flood(socket, () => many(5000, () => frame(77, Buffer.alloc(0)))),
    UNANSWERED,
  ],
  [
    "a response of 4 GiB",
    (socket) => {
      socket.write(frame(1, Buffer.alloc(0), FRAME_RESPONSE, 0xffffffff));
      flood(socket, () => Buffer.alloc(1 << 16));
    },
    /^\/grpc.Health\/Check: response of 4294967295 bytes is over the limit of 4 MiB$/,
  ],
  [
    "data of 4 MiB for our stream, again and again",
    (s) => flood(s, () => frame(1, Buffer.alloc(4 << 20), 3)),
    UNANSWERED,
  ],
  [
    "responses of 4 MiB for an unknown stream",
    (socket) => flood(socket, () => frame(2, Buffer.alloc(MAX_BODY_BYTES))),
    UNANSWERED,
  ],
  ["responses of 4 MiB", (socket) => flood(socket, () => nested(0)), /^undecodable response: illegal tag/],
  ["nested groups", (socket) => socket.write(nested(0x1b)), /^undecodable response: max depth exceeded$/],
  [
    "half a response, then the end",
    (socket) => socket.end(nested(0).subarray(0, 1 << 20)),
    /^ttrpc: closed by the agent$/,
  ],
  [
    "an error of 2 MiB for a terminal, with an unknown code",
    (socket) => socket.write(frame(1, status(-5, "\x1b[2Jx".repeat(400_000)))),
    /^(\\u001b\[2Jx){800} …$/,
  ],
];

const call = (socket: Socket, answer: () => void): void => {
  socket.write(http2(SETTINGS, 0, 0));
  socket.once("data", () => setTimeout(answer, 100));
};

const GRPC: readonly Attack[] = [
  ["no response and no read", (socket) => void socket.pause(), UNANSWERED],
  ["bytes that are no HTTP/2", (socket) => flood(socket, () => Buffer.alloc(1 << 16, "A")), /^grpc: Protocol error$/],
  [
    "pings without end",
    (socket) => {
      socket.pause().write(http2(SETTINGS, 0, 0));
      flood(socket, () => many(1000, () => http2(PING, 0, 0, Buffer.alloc(8))));
    },
    /^grpc: Flooding was detected/,
  ],
  [
    "settings without end",
    (socket) => flood(socket.pause(), () => many(1000, () => http2(SETTINGS, 0, 0))),
    /^grpc: Flooding was detected/,
  ],
  [
    "headers that never end",
    (socket) =>
      call(socket, () => {
        socket.write(http2(HEADERS, 0, 1, STATUS_200));
        flood(socket, () => http2(CONTINUATION, 0, 1, header("a", "b".repeat(100))));
      }),
    /^grpc: (Stream closed with error code NGHTTP2_ENHANCE_YOUR_CALM|Too many CONTINUATION frames.*)$/,
  ],
  [
    "informational headers without end",
    (socket) => {
      const early = Buffer.concat([Buffer.of(8, 3), Buffer.from("103"), header("a", "b".repeat(100))]);
      call(socket, () => flood(socket, () => http2(HEADERS, END_HEADERS, 1, early)));
    },
    /^grpc: /,
  ],
  [
    "an endless message",
    (socket) =>
      call(socket, () => {
        socket.resume().write(http2(HEADERS, END_HEADERS, 1, STATUS_200));
        const piece = http2(DATA, 0, 1, Buffer.alloc(16_384));
        // At most as fast as our window updates allow.
        const timer = setInterval(() => socket.write(many(50, () => piece)), 5);
        socket.once("close", () => clearInterval(timer));
      }),
    /^grpc: the response is over the limit of 4 MiB$/,
  ],
  [
    "a stream that the server opens",
    (socket) => call(socket, () => socket.write(http2(PUSH_PROMISE, END_HEADERS, 1, Buffer.of(0, 0, 0, 2, 0x88)))),
    UNANSWERED,
  ],
  [
    "resets of all existing streams",
    (socket) => {
      socket.write(http2(SETTINGS, 0, 0));
      flood(socket, () => many(2000, (index) => http2(RST_STREAM, 0, 1 + 2 * index, Buffer.of(0, 0, 0, 2))));
    },
    /^grpc: Stream closed with error code NGHTTP2_INTERNAL_ERROR$/,
  ],
  [
    "an error for a terminal, with an unknown code",
    (socket) => {
      const trailers = Buffer.concat([STATUS_200, header("grpc-status", "99"), header("grpc-message", "a%1B[2J")]);
      call(socket, () => socket.write(http2(HEADERS, END_HEADERS | END_STREAM, 1, trailers)));
    },
    /^a\\u001b\[2J$/,
  ],
  [
    "endless GOAWAY frames by a server that stays",
    (socket) => {
      socket.write(http2(SETTINGS, 0, 0));
      flood(socket, () => many(1000, () => http2(GOAWAY, 0, 0, Buffer.of(0x7f, 255, 255, 255, 0, 0, 0, 0))));
    },
    UNANSWERED,
  ],
];

describe("a client of the agent, against a hostile guest", () => {
  let path: string;
  let server: Server;
  let attack: (socket: Socket) => void;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    path = join(makeWorkDirectory("hostile"), "socket");
    server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      socket.on("error", () => socket.destroy());
      attack(socket);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Returns the error of a call. Expects the call and the client's close to finish in time and without much memory. */
  async function callAndClose(protocol: "ttrpc" | "grpc", timeoutMs: number): Promise<RpcError> {
    const before = process.memoryUsage().rss;
    let most = 0;
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - before)), 20);
    const client = await connect(`unix://${path}`, { protocol });
    const error = await client.health.check({}, { timeoutMs }).then(
      () => new RpcError("ok", "answered"),
      (reason: RpcError) => reason,
    );
    await closed(client);
    clearInterval(timer);
    expect(most).toBeLessThan(MOST_BYTES);
    return error;
  }

  const closed = (client: AgentClient) =>
    expect(Promise.race([client.close().then(() => "closed"), sleep(5000, "open")])).resolves.toBe("closed");

  describe.each([
    ["ttrpc", TTRPC],
    ["grpc", GRPC],
  ] as const)("over %s", (protocol, attacks) => {
    it.each(attacks)("ends its call with one line and closes: %s", async (_name, how, line) => {
      attack = how;
      const error = await callAndClose(protocol, line === UNANSWERED ? SHORT_MS : LONG_MS);
      expect(error).toBeInstanceOf(RpcError);
      expect(error.message).toMatch(line);
      expect(error.code).toBeGreaterThan(0);
      expect(error.code).toBeLessThan(17);
    });
  });

  it.each(["call", "attach"])("survives headers that never end (%s)", async (what) => {
    const script = join(import.meta.dirname, "testing/unended-headers.ts");
    await expect(promisify(execFile)(process.execPath, [script, what, `${path}.${what}`])).resolves.toMatchObject({
      stderr: "",
    });
  });

  it("stops sending to an agent that doesn't read, and says so", async () => {
    attack = (socket) => void socket.pause();
    const client = await connect(`unix://${path}`);
    const data = Buffer.alloc(MAX_BODY_BYTES - 4096);
    const errors: string[] = [];
    for (let count = 0; count < 24; count++) {
      await client.agent.copyFile({ path: "/x", data }, { timeoutMs: 1 }).catch((error: Error) => {
        errors.push(error.message);
      });
    }
    expect(errors.at(0)).toMatch(/: no answer within 1 ms$/);
    expect(errors.at(-1)).toMatch(/: the agent does not read its requests; close this connection$/);
    await closed(client);
  });

  it("ends an impossible call with its reason, also after its deadline", async () => {
    attack = (socket) => void socket.resume();
    const client = await connect(`unix://${path}`, { protocol: "grpc" });
    const calling = client.health.check({}, { timeoutMs: 50, metadata: { connection: "x" } });
    await expect(calling).rejects.toMatchObject({ kind: "internal", message: /^\/grpc.Health\/Check: HTTP\/1 / });
    await sleep(100);
    await closed(client);
  });
});
