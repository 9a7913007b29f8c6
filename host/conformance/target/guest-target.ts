import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../client/agent-client.ts";
import { Guest } from "../../vm/guest.ts";
import type { AgentUnderTest, Target } from "./target.ts";

const API_PORT = 1024;
const POLL_MS = 50;
const CHECK_MS = 5000;
const RESTART_MS = 60_000;
const MEMORY_MIB = 512;
/** MAC address of a card that cases may change. Nothing else is on its network. */
const MAC = "02:00:00:00:16:01";
const CARD = ["-netdev", "hubport,id=conformance,hubid=0", "-device", `virtio-net-pci,netdev=conformance,mac=${MAC}`];

/** Returns a target that boots a guest of ours for each group. */
export function guestTarget(): Target {
  const surroundings = "a guest, with its kernel and cgroups";
  return { description: "a guest with guestd, booted by the suite", surroundings, open: bootGuest };
}

async function bootGuest(): Promise<AgentUnderTest> {
  const guest = await Guest.start({ memoryMib: MEMORY_MIB, qemuArgs: CARD });
  const address = guest.address(API_PORT);
  return {
    address,
    isOwn: true,
    restart: () => killAgent(address),
    spareInterface: async () => MAC,
    output: () => guest.console,
    [Symbol.asyncDispose]: () => guest.destroy(),
  };
}

/** Makes guestd's agent kill itself, and waits for the next one. */
async function killAgent(address: string): Promise<void> {
  const end = performance.now() + RESTART_MS;
  const { generation } = await generationAt(address, (client) => client.guest.kill({}));
  for (;;) {
    const next = await generationAt(address, (client) => client.guest.running({}, { timeoutMs: CHECK_MS })).catch(
      () => ({ generation }),
    );
    if (next.generation > generation) return;
    if (performance.now() > end) throw new Error(`no new agent answered within ${RESTART_MS / 1000} s`);
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
