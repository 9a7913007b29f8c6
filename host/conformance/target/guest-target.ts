import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../client/agent-client.ts";
import { Guest } from "../../machine/guest.ts";
import type { AgentUnderTest, Target } from "./target.ts";

const API_PORT = 1024;
const POLL_MS = 50;
const CHECK_MS = 5000;
const MEMORY_MIB = 512;

/** Returns a target that boots a guest of ours for each group. */
export function guestTarget(): Target {
  return { description: "a guest with guestd, booted by the suite", open: bootGuest };
}

async function bootGuest(): Promise<AgentUnderTest> {
  const guest = await Guest.start({ memoryMib: MEMORY_MIB });
  const address = guest.address(API_PORT);
  return {
    address,
    isOwn: true,
    restart: () => killAgent(address),
    output: () => guest.console,
    [Symbol.asyncDispose]: () => guest.destroy(),
  };
}

/** Makes guestd's agent kill itself, and waits for the next one. */
async function killAgent(address: string): Promise<void> {
  const { generation } = await generationAt(address, (client) => client.guest.kill({}));
  for (;;) {
    const next = await generationAt(address, (client) => client.guest.running({}, { timeoutMs: CHECK_MS })).catch(
      () => ({ generation }),
    );
    if (next.generation > generation) return;
    await sleep(POLL_MS);
  }
}

async function generationAt(
  address: string,
  ask: (client: Awaited<ReturnType<typeof connect>>) => Promise<{ readonly generation: number }>,
): Promise<{ readonly generation: number }> {
  await using client = await connect(address);
  return await ask(client);
}
