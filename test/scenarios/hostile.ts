import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import type { Machine } from "./machine.ts";
import { answer, frame, request } from "./raw-frames.ts";

/**
 * Scenarios of frames that no honest host sends (behaviour.md 1.3). The agent responds as the contract says and keeps
 * serving.
 */
export function hostileScenarios(machine: () => Machine): void {
  const alive = async () => {
    await using client = await machine().connect();
    expect((await client.health.check({})).status).toBe(1);
  };
  const exchange = async (bytes: Uint8Array) => {
    const socket = await dial(machine().address);
    try {
      socket.write(bytes);
      const first = await answer(socket);
      socket.write(frame(99, request("grpc.Health", "Check")));
      expect(await answer(socket), "the connection survives").toMatchObject({ streamId: 99, code: 0 });
      return first;
    } finally {
      socket.destroy();
    }
  };

  it("a request longer than 4 MiB is dropped and answered with INVALID_ARGUMENT", async () => {
    const length = 4 * 1024 * 1024 + 1;
    expect(await exchange(frame(1, Buffer.alloc(length)))).toMatchObject({ streamId: 1, code: 3 });
  });

  it("an even stream id is answered with INVALID_ARGUMENT and a text that says it must be odd", async () => {
    const even = await exchange(frame(2, request("grpc.Health", "Check")));
    expect(even).toMatchObject({ streamId: 2, code: 3, message: expect.stringMatching(/odd/) });
  });

  it("an unknown service is answered with INVALID_ARGUMENT, an unknown method with UNIMPLEMENTED, an undecodable payload with UNKNOWN", async () => {
    expect(await exchange(frame(1, request("grpc.Nope", "X")))).toMatchObject({
      code: 3,
      message: expect.stringMatching(/./),
    });
    expect(await exchange(frame(1, request("grpc.AgentService", "Nope")))).toMatchObject({ code: 12 });
    const payload = Uint8Array.of(0x0a, 0xff, 0x01);
    expect(await exchange(frame(1, request("grpc.AgentService", "StartContainer", payload)))).toMatchObject({
      code: 2,
    });
  });

  it("half a header before a close, and a header that promises more bytes than come, do no harm", async () => {
    for (const bytes of [Buffer.alloc(5), frame(1, Buffer.alloc(10), 1000)]) {
      const socket = await dial(machine().address);
      socket.write(bytes);
      await sleep(50);
      socket.destroy();
    }
    await alive();
  });

  it("thousands of silent connections keep no other client from being served", async () => {
    // The hybrid vsock device limits open connections itself.
    const count = machine().real ? 400 : 2000;
    const silent: Duplex[] = [];
    try {
      for (let i = 0; i < count; i += 50) {
        silent.push(...(await Promise.all(Array.from({ length: 50 }, () => dial(machine().address)))));
      }
      await alive();
    } finally {
      for (const socket of silent) socket.destroy();
    }
    await alive();
  });
}
