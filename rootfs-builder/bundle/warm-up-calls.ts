import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { BuildError, hasCode } from "../build-error.ts";
import { bytesField, spec } from "./warm-up-messages.ts";

const START_LIMIT_MS = 30_000;
const RETRY_MS = 20;
const HEADER_SIZE = 10;
const REQUEST = 1;

/**
 * Calls that change nothing, whoever runs the build: questions, and requests that are refused once they are decoded. Each
 * makes the agent compile what the first real call needs.
 */
const CALLS: readonly (readonly [service: string, method: string, payload: Buffer])[] = [
  ["grpc.Health", "Check", Buffer.alloc(0)],
  ["grpc.Health", "Version", Buffer.alloc(0)],
  ["grpc.AgentService", "GetGuestDetails", Buffer.from([8, 1, 16, 1])],
  ["grpc.AgentService", "GetMetrics", Buffer.alloc(0)],
  ["grpc.AgentService", "CreateContainer", Buffer.concat([bytesField(1, "../no lawful id"), bytesField(6, spec())])],
  ["grpc.AgentService", "ExecProcess", bytesField(1, "warm-up")],
  ["grpc.AgentService", "WaitProcess", bytesField(1, "warm-up")],
  ["grpc.AgentService", "ReadStdout", bytesField(1, "warm-up")],
  ["grpc.AgentService", "WriteStdin", bytesField(1, "warm-up")],
  ["grpc.AgentService", "SignalProcess", bytesField(1, "warm-up")],
  ["grpc.AgentService", "StatsContainer", bytesField(1, "warm-up")],
  ["grpc.AgentService", "RemoveContainer", bytesField(1, "warm-up")],
];

/** Uses an agent on a unix socket over ttRPC and over gRPC, one call after the other, so that its code is compiled. */
export async function exerciseAgent(socketPath: string): Promise<void> {
  const socket = await dial(socketPath);
  try {
    let streamId = 1;
    for (const [service, method, payload] of CALLS) {
      socket.write(ttrpcRequest(streamId, service, method, payload));
      await ttrpcResponse(socket);
      streamId += 2;
    }
  } finally {
    await closed(socket);
  }
  await checkOverGrpc(socketPath);
}

/** Waits for the agent to listen. */
async function dial(socketPath: string): Promise<Socket> {
  const end = performance.now() + START_LIMIT_MS;
  for (;;) {
    const socket = connect(socketPath);
    try {
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      socket.removeAllListeners("error");
      return socket;
    } catch (error) {
      if (!hasCode(error, "ENOENT") && !hasCode(error, "ECONNREFUSED")) throw error;
      if (performance.now() > end)
        throw new BuildError(`warm-up: the agent did not listen within ${START_LIMIT_MS} ms`);
      await pause(RETRY_MS);
    }
  }
}

function ttrpcRequest(streamId: number, service: string, method: string, payload: Buffer): Buffer {
  const body = Buffer.concat([bytesField(1, service), bytesField(2, method), bytesField(3, payload)]);
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32BE(body.length, 0);
  header.writeUInt32BE(streamId, 4);
  header[8] = REQUEST;
  return Buffer.concat([header, body]);
}

/** Reads one whole frame, whatever it says: a refusal warms as well as an answer. */
async function ttrpcResponse(socket: Socket): Promise<void> {
  let received = 0;
  let expected = HEADER_SIZE;
  let header = Buffer.alloc(0);
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      socket.off("data", read).off("error", settle).off("close", lost);
      if (error === undefined) resolve();
      else reject(error);
    };
    const lost = () => settle(new BuildError("warm-up: the agent closed the connection in the middle of a call"));
    const read = (data: Buffer) => {
      received += data.length;
      header = Buffer.concat([header, data]).subarray(0, HEADER_SIZE);
      if (header.length === HEADER_SIZE) expected = HEADER_SIZE + header.readUInt32BE(0);
      if (header.length === HEADER_SIZE && received >= expected) settle();
    };
    socket.on("data", read).on("error", settle).on("close", lost);
  });
}

async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((resolve) => {
    socket.on("error", () => {}).once("close", () => resolve());
    socket.resume().end();
  });
}

async function checkOverGrpc(socketPath: string): Promise<void> {
  const { Client, credentials } = await import("@grpc/grpc-js");
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  const same = (bytes: Buffer) => bytes;
  const deadline = Date.now() + START_LIMIT_MS;
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest("/grpc.Health/Check", same, same, Buffer.alloc(0), { deadline }, (error) => {
        if (error === null) resolve();
        else reject(new BuildError(`warm-up: Check over gRPC: ${error.message}`));
      });
    });
  } finally {
    client.close();
  }
}
