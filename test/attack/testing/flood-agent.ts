import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  flood,
  HEADERS,
  header,
  http2,
  many,
  PING,
  PREFACE,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "../../transport/testing/http2-frames.ts";
import { residentMib } from "./resident-mib.ts";

const DURATION_MS = 4000;
const GREETING = Buffer.concat([PREFACE, http2(SETTINGS, 0, 0)]);
const PATH = "/grpc.Health/Check";
/** POST, http, the path, the authority, without which nghttp2 refuses it, and gRPC's headers, in HPACK. */
const REQUEST = Buffer.concat([
  Buffer.of(0x83, 0x86, 0x04, PATH.length),
  Buffer.from(PATH),
  Buffer.of(0x01, 1, 0x78),
  header("content-type", "application/grpc"),
  header("te", "trailers"),
]);
/** A header of 3840 bytes that enters the table and takes one byte from then on. */
const LARGE = Buffer.concat([Buffer.of(0x40, 1, 0x7a, 0x7f, 0x81, 0x1d), Buffer.alloc(3840, "b")]);

/** Returns a function that creates frames for ever higher streams, 500 at a time. */
function forStreams(frames: (id: number) => Buffer): () => Buffer {
  let id = -1;
  return () =>
    many(500, () => {
      id += 2;
      return frames(id);
    });
}

const begun = (id: number) => http2(HEADERS, END_HEADERS, id, REQUEST);

const ATTACKS: Readonly<Record<string, (socket: Socket) => void>> = {
  "requests that are reset at once": (socket) =>
    flood(
      socket,
      forStreams((id) => Buffer.concat([begun(id), http2(RST_STREAM, 0, id, Buffer.of(0, 0, 0, 8))])),
    ),
  "requests without an end": (socket) => flood(socket, forStreams(begun)),
  "requests whose responses are not read": (socket) =>
    flood(
      socket.pause(),
      forStreams((id) => Buffer.concat([begun(id), http2(DATA, END_STREAM, id, Buffer.alloc(5))])),
    ),
  "pings whose responses are not read": (socket) =>
    flood(socket.pause(), () => many(1000, () => http2(PING, 0, 0, Buffer.alloc(8)))),
  "settings whose responses are not read": (socket) =>
    flood(socket.pause(), () => many(1000, () => http2(SETTINGS, 0, 0))),
  "headers that never end": (socket) => {
    socket.write(http2(HEADERS, 0, 1, REQUEST));
    flood(socket, () => http2(CONTINUATION, 0, 1, header("a", "b".repeat(100))));
  },
  "headers of 60 MB in 16 KB": (socket) => {
    socket.write(http2(HEADERS, END_HEADERS, 1, Buffer.concat([REQUEST, LARGE])));
    const body = Buffer.concat([REQUEST, Buffer.alloc(16_000, 0xbe)]);
    flood(
      socket,
      forStreams((id) => http2(HEADERS, END_HEADERS, id + 2, body)),
    );
  },
  "priorities of streams that don't exist": (socket) =>
    flood(
      socket,
      forStreams((id) => http2(PRIORITY, 0, id, Buffer.of(0, 0, 0, 0, 1))),
    ),
  "400 messages of 4 MiB that never end": (socket) => {
    const piece = Buffer.concat([Buffer.of(0, 0, 0x40, 0, 0), Buffer.alloc(1000)]);
    socket.write(many(400, (index) => begun(1 + 2 * index)));
    flood(socket, () => many(400, (index) => http2(DATA, 0, 1 + 2 * index, piece)));
  },
  "empty data": (socket) => {
    socket.write(begun(1));
    flood(socket, () => many(1000, () => http2(DATA, 0, 1)));
  },
  "a window that grows a byte at a time": (socket) =>
    flood(socket, () => many(1000, () => http2(WINDOW_UPDATE, 0, 0, Buffer.of(0, 0, 0, 1)))),
};

/** Memory of a flooded agent beyond what it had before, in MiB, and the longest wait of another client, in ms. */
export interface FloodCost {
  readonly longest: number;
  /** Right after the flood, garbage included. */
  readonly after: number;
  /** The most during it. */
  readonly peak: number;
}

/** Sends an agent endless HTTP/2 frames of all kinds at once, for four seconds, while another client makes calls. */
export async function floodAgent(machine: Awaited<ReturnType<typeof startHostAgent>>): Promise<FloodCost> {
  await using other = await machine.connect();
  const agent = await machine.agentPid();
  const before = residentMib(agent);
  const now = () => residentMib(agent) - before;
  const sockets = Object.values(ATTACKS).map((attack) => {
    const socket = connect(machine.address.replace("unix://", ""));
    socket.on("error", () => socket.destroy()).resume();
    socket.write(GREETING);
    attack(socket);
    return socket;
  });
  const end = performance.now() + DURATION_MS;
  let [longest, peak] = [0, 0];
  while (performance.now() < end) {
    const start = performance.now();
    await other.health.check({});
    longest = Math.max(longest, performance.now() - start);
    peak = Math.max(peak, now());
    await sleep(20);
  }
  for (const socket of sockets) socket.destroy();
  return { longest, after: now(), peak };
}
