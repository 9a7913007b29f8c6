import { createServer, type Socket } from "node:net";
import { connect } from "../../../host/client/agent-client.ts";
import { dialStreams } from "../../../host/client/streams/dial-streams.ts";
import { CONTINUATION, HEADERS, header, http2, SETTINGS } from "../../transport/testing/http2-frames.ts";

/**
 * Makes calls ("call") or attaches ("attach") to a server at a socket, again and again, that begins the headers of each answer and
 * never ends them. The process ends by itself unless Node aborts it.
 */
const [what = "", path = ""] = process.argv.slice(2);
const ROUNDS = 200;
/** More than nghttp2 takes of one header block. */
const CONTINUATIONS = 20;
/** ":status: 200" in HPACK. */
const STATUS_200 = Buffer.of(0x88);

function answer(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.write(http2(SETTINGS, 0, 0));
  socket.once("data", () => {
    socket.write(http2(HEADERS, 0, 1, STATUS_200));
    for (let n = 0; n < CONTINUATIONS; n++) socket.write(http2(CONTINUATION, 0, 1, header("a", "b".repeat(100))));
  });
}

async function call(): Promise<void> {
  await using client = await connect(`unix://${path}`, { protocol: "grpc" });
  await client.health.check({}).catch(() => undefined);
}

async function attach(): Promise<void> {
  const frames = await dialStreams(`grpc+unix://${path}`);
  frames.on("error", () => undefined).resume();
  await new Promise((resolve) => frames.once("close", resolve));
}

const server = createServer({ allowHalfOpen: true }, answer);
await new Promise<void>((resolve) => server.listen(path, resolve));
for (let round = 0; round < ROUNDS; round++) await (what === "attach" ? attach() : call());
server.close();
