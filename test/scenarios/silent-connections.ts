import type { Duplex } from "node:stream";
import { expect, it } from "vitest";
import { dial } from "../../host/client/dial.ts";
import type { Machine } from "./machine.ts";

/** Registers the scenario of more silent connections than a host has. */
export function silentConnections(machine: () => Machine): void {
  const alive = async () => {
    await using client = await machine().connect();
    expect((await client.health.check({})).status).toBe(1);
  };
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
