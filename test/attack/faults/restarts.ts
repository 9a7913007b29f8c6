import { expect } from "vitest";
import { startFaultyMachine } from "./faulty-machine.ts";

/** init waits longer before each start that follows soon, so few restarts for each machine. */
const RESTARTS = 5;
/** More than any agent makes. */
const NONE = 0xffff_fffe;

/** Counts the system calls of the addon from the start of an agent that takes over until it listens. */
export async function countStartCalls(): Promise<number> {
  await using faulty = await startFaultyMachine();
  faulty.control.arm({ first: NONE, variant: 0 });
  await faulty.machine.killAgent();
  return faulty.control.disarm().count;
}

/**
 * Kills agents whose successors fail at one of these calls each. The successor, or the one after it, goes on: the container
 * and its processes are there, a connection that was open answers or is closed with a reason, and nothing is left over.
 */
export async function restartWithFaults(calls: readonly number[], variant: number): Promise<void> {
  for (let at = 0; at < calls.length; at += RESTARTS) await restartOne(calls.slice(at, at + RESTARTS), variant);
}

async function restartOne(calls: readonly number[], variant: number): Promise<void> {
  await using faulty = await startFaultyMachine();
  const { machine, control, pod, standing } = faulty;
  const before = await faulty.traces();
  for (const first of calls) {
    await using client = await machine.connect();
    await client.health.check({});
    control.arm({ first, variant });
    await machine.killAgent();
    const hit = control.disarm();
    const where = `call ${first}, ${hit.name}`;
    const answer = client.health.check({}, { timeoutMs: 5000 }).then(
      ({ status }) => String(status),
      ({ kind }: { kind: string }) => kind,
    );
    expect(["1", "unavailable"], where).toContain(await answer);
    await client.close();
    await using fresh = await machine.connect();
    const own = { agent: fresh.agent, container_id: standing };
    const { stats } = { stats: await own.agent.statsContainer({ container_id: standing }) };
    expect(stats, where).toBeDefined();
    await fresh.close();
    const processes = async () => {
      const { agent: _, descriptors: __, ...left } = await faulty.traces();
      return left;
    };
    const { agent: _, descriptors: __, ...wanted } = before;
    // The bystander's connection may have been the one that was closed.
    await expect.poll(processes, { message: where, timeout: 5000 }).toSatisfy((now) => isNoMore(now, wanted));
    expect(machine.console(), where).not.toMatch(/unhandled rejection|uncaught/);
  }
  const { client } = pod;
  await client.close();
}

function isNoMore(now: Readonly<Record<string, unknown>>, before: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(before).every(([key, value]) =>
    typeof value === "number" ? Number(now[key]) <= value : now[key] === value,
  );
}
