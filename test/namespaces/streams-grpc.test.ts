import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { codec } from "../../proto/codec.ts";
import { guestd } from "../../proto/gen/messages.js";
import { ATTACH_PATH, GrpcFramesParser, wrapFrames } from "../../proto/grpc-frames.ts";
import { encodeStreamFrame, STREAM, type StreamFrame, StreamFrameParser } from "../../proto/stream-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { RawStreams } from "../scenarios/raw-streams.ts";
import { shellProcess } from "../scenarios/streams.ts";
import { startHostAgent } from "./testing/host-agent.ts";

const attach = codec("guestd.v1.Attach", guestd.v1.Attach);
const exit = codec("guestd.v1.Exit", guestd.v1.Exit);
const forward = codec("guestd.v1.ForwardRequest", guestd.v1.ForwardRequest);
const PREFIX_BYTES = 5;

/** The message without gRPC's prefix, which grpc-js adds and removes itself. */
const serialize = (frames: Buffer) => wrapFrames(frames).subarray(PREFIX_BYTES);

function deserialize(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat(new GrpcFramesParser().push(Buffer.concat([prefix, message])));
}

describeInNamespaces("guestd.v1.Streams over gRPC, with a client of grpc-js", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let pod: Pod;
  let client: Client;
  beforeAll(async () => {
    machine = await startHostAgent();
    pod = await Pod.open(machine);
    client = new Client(machine.address.replace("unix://", "unix:"), credentials.createInsecure());
  });
  afterAll(async () => {
    client?.close();
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });
  const open = (): ClientDuplexStream<Buffer, Buffer> =>
    client.makeBidiStreamRequest(ATTACH_PATH, serialize, deserialize);
  const status = (call: ClientDuplexStream<Buffer, Buffer>) =>
    new Promise<{ code: number; details: string }>((resolve) => {
      call.on("error", () => undefined).on("status", resolve);
    });

  it("runs a process, one of many on one connection, and ends with OK", async () => {
    const container = await pod.start(["sleep", "1000"]);
    const run = async (exec: string) => {
      const call = open();
      const ended = status(call);
      const parser = new StreamFrameParser("agent");
      const frames: StreamFrame[] = [];
      call.on("data", (bytes: Buffer) => {
        for (const frame of parser.push(bytes)) {
          frames.push(frame);
          if (frame.type === "exit") call.write(encodeStreamFrame("ack", STREAM.process, 0));
        }
      });
      const request = {
        version: 1,
        client: exec,
        container_id: container,
        exec_id: exec,
        process: shellProcess("echo $0; exit 3"),
      };
      call.write(encodeStreamFrame("attach", STREAM.process, 0, attach.encode(request)));
      const { code } = await ended;
      const last = frames.at(-1);
      return [code, last?.type === "exit" ? exit.decode(last.payload).code : last?.type];
    };
    const names = Array.from({ length: 20 }, (_, at) => `grpc-${at}`);
    expect(await Promise.all(names.map(run))).toEqual(names.map(() => [0, 3]));
    await pod.remove(container);
  });

  it("refuses to forward, which needs a connection of its own", async () => {
    const container = await pod.start(["sleep", "1000"]);
    const target = { host: "127.0.0.1", port: 9, udp: true }; // connects without a listener
    await using raw = await RawStreams.connect(`grpc+${machine.address}`);
    const request = { version: 1, id: Buffer.alloc(16, 1), container_id: container, ...target };
    raw.send("forward", STREAM.process, 0, forward.encode(request));
    expect(await raw.error()).toBe(
      "failed-precondition: forward: a gRPC stream has no connection of its own; use the port or socket of guestd.v1.Streams",
    );
    await pod.remove(container);
  });

  it("refuses what is no message of the method, and serves other calls of the connection", async () => {
    const call = client.makeBidiStreamRequest(
      ATTACH_PATH,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    const ended = status(call);
    call.write(Buffer.of(0x0a, 0x7f));
    expect(await ended).toMatchObject({ code: 3, details: "gRPC message: not a guestd.v1.Frame" });
    const nothing = (bytes: Buffer) => bytes;
    const checked = new Promise((resolve, reject) => {
      const answer = (error: Error | null) => (error === null ? resolve("served") : reject(error));
      client.makeUnaryRequest("/grpc.Health/Check", nothing, nothing, Buffer.alloc(0), answer);
    });
    expect(await checked).toBe("served");
  });
});
