import type { Socket } from "node:net";
import { afterEach, vi } from "vitest";
import { ttrpc } from "../../../proto/gen/messages.js";
import { encodeHeader, FrameParser } from "../../../proto/ttrpc-frame.ts";
import { DyingServer } from "./dying-server.ts";
import { until } from "./serve.ts";

export function request(streamId: number, method: string, payload: Uint8Array | string = ""): Buffer {
  const message = { service: "test.Echo", method, payload: Buffer.from(payload) };
  const body = ttrpc.Request.encode(message).finish();
  return Buffer.concat([encodeHeader(body.length, { streamId, type: 1, flags: 0 }), body]);
}

/** Collects a connection's answers by stream id, as `code text`. */
export function collect(socket: Socket): Map<number, string> {
  const parser = new FrameParser();
  const got = new Map<number, string>();
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    for (const frame of parser.push(chunk)) {
      if (frame.kind !== "frame") continue;
      const { status, payload } = ttrpc.Response.decode(frame.body);
      const code = status?.code ?? 0;
      got.set(frame.streamId, `${code} ${code === 0 ? Buffer.from(payload).toString("latin1") : status?.message}`);
    }
  });
  return got;
}

/** Collects the stream ids of a connection's answers, in order. */
export function idsOf(socket: Socket): number[] {
  const ids: number[] = [];
  const parser = new FrameParser();
  socket.on("data", (chunk: Buffer) => ids.push(...parser.push(chunk).map(({ streamId }) => streamId)));
  return ids;
}

/** The event of a connection that the next agent resumes. */
export const resumed = { broken: undefined, peer: "unix" };

/** An agent that a test lets die, and its successor. */
export class Restarts {
  dying = new DyingServer();
  /** Destroyed at the end of the test. */
  readonly ends: { destroy(): void }[] = [];

  /** Starts an agent, opens a connection and makes one call on it. */
  async connected(): Promise<{ socket: Socket; got: Map<number, string> }> {
    this.dying = new DyingServer();
    const socket = this.dying.connect();
    this.ends.push(socket);
    const got = collect(socket);
    socket.write(request(1, "Echo", "first"));
    await until(() => got.size === 1);
    return { socket, got };
  }

  /** Sends bytes. Resolves when the agent has read them. */
  async send(socket: Socket, bytes: Buffer): Promise<void> {
    const before = this.dying.received;
    socket.write(bytes);
    await until(() => this.dying.received === before + bytes.length);
  }

  succeed(undone?: Promise<unknown>): ReturnType<DyingServer["successor"]> {
    const successor = this.dying.successor(undone);
    this.ends.push(successor.next);
    return successor;
  }
}

/** Call once per test file. */
export function restarts(): Restarts {
  const agents = new Restarts();
  afterEach(() => {
    vi.useRealTimers();
    for (const end of agents.ends.splice(0)) end.destroy();
  });
  return agents;
}
