import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { BuildError, hasCode } from "../build-error.ts";
import { bytesField, numberField, processOf, spec } from "./warm-up-messages.ts";

const START_LIMIT_MS = 30_000;
const RETRY_MS = 20;
const HEADER_SIZE = 10;
const REQUEST = 1;
/** Field 1, wire type 2. */
const STATUS_TAG = 10;
const SIGKILL = 9;

interface Call {
  readonly service: string;
  readonly method: string;
  readonly payload: Buffer;
  /** Runs concurrently with the next call, which ends it. */
  readonly waits?: boolean;
  readonly isRefused?: boolean;
}

const NONE = Buffer.alloc(0);
const CONTAINER = bytesField(1, "warm-up");
const EXEC = Buffer.concat([CONTAINER, bytesField(2, "exec")]);
const INIT_PROCESS = Buffer.concat([CONTAINER, bytesField(2, "warm-up")]);
const ENTROPY = Buffer.alloc(32);
const READ = Buffer.concat([EXEC, numberField(3, 32 * 1024)]);

/**
 * Returns the calls that a host makes for a pod's first container, an exec in it and its end, for a snapshot, and one
 * call that is refused. Each makes the agent compile the code that the first real call needs. None has any effect
 * (warm-up-kernel.cjs, warm-up-init.cjs).
 */
function callsFor(rootfs: string): readonly Call[] {
  const health = (method: string) => ({ service: "grpc.Health", method, payload: NONE });
  const agent = (method: string, payload: Buffer) => ({ service: "grpc.AgentService", method, payload });
  const guest = (method: string, payload: Buffer) => ({ service: "guestd.v1.Guest", method, payload });
  return [
    health("Check"),
    health("Version"),
    agent("GetGuestDetails", Buffer.concat([numberField(1, 1), numberField(2, 1)])),
    { ...agent("StartContainer", CONTAINER), isRefused: true },
    agent("CreateSandbox", Buffer.concat([bytesField(1, "warm-up"), bytesField(5, "warm-up")])),
    agent("CreateContainer", Buffer.concat([INIT_PROCESS, bytesField(6, spec(rootfs))])),
    agent("StartContainer", CONTAINER),
    agent("StatsContainer", CONTAINER),
    agent("ExecProcess", Buffer.concat([EXEC, bytesField(4, processOf("true"))])),
    { ...agent("ReadStdout", READ), waits: true },
    agent("WriteStdin", Buffer.concat([EXEC, bytesField(3, "input")])),
    agent("ReadStdout", READ),
    agent("ReadStderr", READ),
    agent("ReadStderr", READ),
    agent("WaitProcess", EXEC),
    { ...agent("WaitProcess", INIT_PROCESS), waits: true },
    agent("SignalProcess", Buffer.concat([CONTAINER, numberField(3, SIGKILL)])),
    agent("RemoveContainer", CONTAINER),
    guest("Quiesce", NONE),
    guest("Resumed", Buffer.concat([bytesField(2, ENTROPY), numberField(3, 1), bytesField(9, "search example")])),
  ];
}

/**
 * Calls an agent on a unix socket over ttRPC and gRPC, so that its code is compiled. `rootfs` is a container's root.
 * Fails if a call is not answered as expected, because then the agent has compiled too little.
 */
export async function exerciseAgent(socketPath: string, rootfs: string): Promise<void> {
  const socket = await dial(socketPath);
  try {
    const answers = ttrpcAnswers(socket);
    const open = new Map<number, Call>();
    let streamId = 1;
    for (const call of callsFor(rootfs)) {
      socket.write(ttrpcRequest(streamId, call.service, call.method, call.payload));
      open.set(streamId, call);
      streamId += 2;
      while (open.size > 0 && call.waits !== true) {
        const { value } = await answers.next();
        if (value === undefined)
          throw new BuildError("warm-up: the agent closed the connection in the middle of a call");
        const { method, isRefused = false } = open.get(value.streamId) ?? call;
        open.delete(value.streamId);
        if (value.isRefused !== isRefused) throw new BuildError(`warm-up: ${method} was answered ${value.text}`);
      }
    }
  } finally {
    await closed(socket);
  }
  await checkOverGrpc(socketPath);
}

/** Waits until the agent listens. */
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

interface Answer {
  readonly streamId: number;
  readonly isRefused: boolean;
  readonly text: string;
}

/**
 * Yields the answers on a connection as they arrive. Each starts with its status, which is empty unless the call was
 * refused.
 */
async function* ttrpcAnswers(socket: Socket): AsyncGenerator<Answer, undefined> {
  let bytes = Buffer.alloc(0);
  for await (const data of socket) {
    bytes = Buffer.concat([bytes, data]);
    while (bytes.length >= HEADER_SIZE && bytes.length >= HEADER_SIZE + bytes.readUInt32BE(0)) {
      const end = HEADER_SIZE + bytes.readUInt32BE(0);
      const body = bytes.subarray(HEADER_SIZE, end);
      const isRefused = body[0] === STATUS_TAG && body[1] !== 0;
      yield { streamId: bytes.readUInt32BE(4), isRefused, text: JSON.stringify(body.toString("latin1", 0, 300)) };
      bytes = bytes.subarray(end);
    }
  }
  return undefined;
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
