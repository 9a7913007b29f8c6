import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { flood } from "../attack/flood/flood.ts";
import { http2Conversation } from "../attack/flood/http2-conversation.ts";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  header,
  http2,
  many,
  PING,
  PREFACE,
  SETTINGS,
} from "./testing/http2-frames.ts";
import { type Served, serve } from "./testing/serve.ts";

const GREETING = Buffer.concat([PREFACE, http2(SETTINGS, 0, 0)]);
/** A frame of a wrong length: HTTP/2 answers with GOAWAY and ends. */
const BROKEN = http2(PING, 0, 0, Buffer.alloc(5));
/** A whole call, and the announcement that no more will follow: HTTP/2 then reads nothing more. */
const LAST_CALL = Buffer.concat([
  http2(
    HEADERS,
    END_HEADERS | END_STREAM,
    1,
    Buffer.concat([
      header(":method", "POST"),
      header(":scheme", "http"),
      header(":path", "/test.Echo/Nope"),
      header(":authority", "x"),
      header("content-type", "application/grpc"),
    ]),
  ),
  http2(GOAWAY, 0, 0, Buffer.alloc(8)),
]);
/** More than a stream holds. */
const UNREAD = many(20, () => http2(DATA, 0, 1, Buffer.alloc(16_000)));

const openOf = ({ rpc }: Served): number => [...rpc.connections].length;
const openBecome = (served: Served, count: number) => expect.poll(() => openOf(served), { interval: 10 }).toBe(count);

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Sends bytes over a new connection and hangs up once the server has answered. Calls `accepted` before it sends. */
async function sendAndHangUp(served: Served, bytes: Buffer, accepted: () => void = () => undefined): Promise<void> {
  const socket = await served.dial();
  socket.on("error", () => undefined);
  await openBecome(served, 1);
  accepted();
  socket.write(bytes);
  await new Promise((resolve) => socket.once("data", resolve));
  socket.destroy();
}

test("no connection is left of gRPC clients that send anything and hang up at any byte", async () => {
  await using served = await serve({ quietMs: 300 });
  const seeds = Array.from({ length: 100 }, (_, at) => at);
  await flood({ path: served.path, conversation: http2Conversation, seeds, width: 50 });
  await openBecome(served, 0);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["more than a stream holds", UNREAD],
])("a gRPC connection is closed whose client, after its last call, sends %s and hangs up", async (_, more) => {
  await using served = await serve({ quietMs: 300 });
  await sendAndHangUp(served, Buffer.concat([GREETING, LAST_CALL, more]));
  await openBecome(served, 0);
});

test.each([
  ["that broke the protocol", BROKEN],
  ["that made a call", LAST_CALL],
])("V8 collects the connection of a gRPC client %s and acknowledged no settings", async (_, bytes) => {
  await using served = await serve();
  const connections: WeakRef<object>[] = [];
  const noted = () => connections.push(...Array.from(served.rpc.connections, (connection) => new WeakRef(connection)));
  await sendAndHangUp(served, Buffer.concat([GREETING, bytes]), noted);
  await openBecome(served, 0);
  expect(connections.length).toBe(1);
  await vi.waitFor(
    () => {
      collectGarbage();
      expect(connections[0]?.deref()).toBeUndefined();
    },
    { timeout: 50_000, interval: 50 },
  );
});
