import { once } from "node:events";
import { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, it, test, vi } from "vitest";
import { type MessageSocket, relayMessages } from "../../host/client/streams/relay-messages.ts";
import { encodeStreamFrame } from "../../proto/stream-frame.ts";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { streamsScenarios } from "../scenarios/streams.ts";
import { startWebSocketRelay, type WebSocketRelay } from "../scenarios/websocket-relay.ts";
import { startHostAgent } from "./testing/host-agent.ts";

describeInNamespaces("guestd.v1.Streams through a WebSocket", () => {
  let machine: Awaited<ReturnType<typeof startHostAgent>>;
  let relay: WebSocketRelay;
  let pod: Pod;
  let container: string;
  beforeAll(async () => {
    machine = await startHostAgent();
    relay = await startWebSocketRelay(`${machine.address}_1028`);
    pod = await Pod.open(machine);
    container = await pod.start(["sleep", "1000"]);
  });
  afterAll(async () => {
    await relay?.[Symbol.asyncDispose]();
    await pod?.client.close();
    await machine?.[Symbol.asyncDispose]();
  });

  streamsScenarios(() => ({ pod, container, address: relay.address }), true);

  it.each<[string, string | Uint8Array, number, string]>([
    ["text", "text", 1003, "message: text; send one frame as binary"],
    ["two frames", Buffer.alloc(32, encodeStreamFrame("ping", 3, 0)), 1002, "message: 32 bytes are not one frame"],
    ["half a frame", Buffer.alloc(8), 1002, "message: 8 bytes are not one frame"],
    ["no frame", Buffer.alloc(16, 99), 1002, "frame of type 99: the type is unknown"],
    ["a frame of the agent", encodeStreamFrame("eof", 1, 0), 1002, "frame eof: the client may not send it"],
    ["more than a frame has", Buffer.alloc(70_000), 1002, "message: 70000 bytes are over 65552"],
  ])("closes a page that sends %s, with the reason", async (_, message, code, reason) => {
    const socket = new WebSocket(relay.address);
    await once(socket, "open");
    socket.send(message);
    const [event] = await once(socket, "close");
    expect(event).toMatchObject({ code, reason });
  });
});

describe("relayMessages", () => {
  /** A page whose messages wait as long as the test wants. */
  function page() {
    const listeners = new Map<string, (event: { data: unknown }) => void>();
    const state = { bufferedAmount: 0, sent: 0, closed: undefined as number | undefined, isPaused: false };
    const socket = {
      binaryType: "",
      get bufferedAmount() {
        return state.bufferedAmount;
      },
      send: (data: Uint8Array) => {
        state.sent++;
        state.bufferedAmount += data.length;
      },
      close: (code = 1005) => {
        state.closed = code;
        listeners.get("close")?.({ data: undefined });
      },
      addEventListener: (type: string, listener: (event: { data: unknown }) => void) => listeners.set(type, listener),
      pause: () => {
        state.isPaused = true;
      },
    } as unknown as MessageSocket;
    const receive = (frame: Buffer) => listeners.get("message")?.({ data: Uint8Array.from(frame).buffer });
    return { socket, state, receive };
  }

  test("stops reading the agent while a page doesn't read, and continues then", async () => {
    const { socket, state } = page();
    let frames = 0;
    const streams = new Duplex({
      read() {
        this.push(frames++ < 100 ? encodeStreamFrame("data", 1, 0, Buffer.alloc(60_000)) : null);
      },
      write: (_chunk, _encoding, done) => done(),
    });
    const done = relayMessages(socket, streams);
    await expect.poll(() => state.bufferedAmount > 1 << 20).toBe(true);
    const sent = state.sent;
    expect(sent).toBeLessThan(25);
    await vi.waitUntil(() => {
      state.bufferedAmount = 0;
      return state.closed === 1000;
    }, 50_000);
    await done;
    expect(state.sent).toBe(100);
  });

  test("closes a page that sends more than an agent reads", async () => {
    const { socket, state, receive } = page();
    const streams = new Duplex({ read: () => undefined, write: () => undefined });
    const done = relayMessages(socket, streams);
    for (let count = 0; count < 100; count++) receive(encodeStreamFrame("stdin", 0, 0, Buffer.alloc(65_536)));
    await done;
    expect([state.closed, state.isPaused, streams.destroyed]).toEqual([1013, true, true]);
  });
});
