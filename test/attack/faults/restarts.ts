import { expect } from "vitest";
import type { FaultyMachine } from "./faulty-machine.ts";

/** More calls than any agent makes. */
const NONE = 0xffff_fffe;

/** Kills the agent and counts the addon's system calls that its successor makes until it listens. */
export async function countStartCalls({ machine, control }: FaultyMachine): Promise<number> {
  control.arm({ first: NONE, variant: 0 });
  await machine.killAgent();
  return control.disarm().count;
}

/**
 * Kills agents whose successors each fail at one of these calls. Expects the successor, or the one after it, to take
 * over: the container is there, an open connection is answered or closed, and nothing is left behind.
 */
export async function restartWithFaults(
  faulty: FaultyMachine,
  calls: readonly number[],
  variant: number,
): Promise<void> {
  const { machine, control, standing } = faulty;
  const before = left(await faulty.traces());
  for (const first of calls) {
    await using client = await machine.connect();
    await client.health.check({});
    control.arm({ first, variant });
    await machine.killAgent();
    const where = `call ${first}, ${control.disarm().name}`;
    const answer = await client.health.check({}, { timeoutMs: 50_000 }).then(
      ({ status }) => status,
      ({ kind }: { kind: string }) => kind,
    );
    expect([1, "unavailable"], where).toContain(answer);
    await client.close();
    await using fresh = await machine.connect();
    expect((await fresh.agent.statsContainer({ container_id: standing })).cgroup_stats, where).toBeDefined();
    await fresh.close();
    const now = async () => left(await faulty.traces());
    await expect.poll(now, { message: where }).toSatisfy((traces) => isNoMore(traces, before));
    expect(machine.console(), where).not.toMatch(/unhandled rejection|uncaught/);
  }
}

type Left = Omit<Awaited<ReturnType<FaultyMachine["traces"]>>, "agent" | "descriptors">;

/** Returns the traces that another agent doesn't change. */
function left({
  agent: _agent,
  descriptors: _descriptors,
  ...traces
}: Left & Record<"agent" | "descriptors", number>): Left {
  return traces;
}

function isNoMore(now: Left, { records, ...counts }: Left): boolean {
  const keys = Object.keys(counts) as (keyof typeof counts)[];
  return now.records === records && keys.every((key) => now[key] <= counts[key]);
}
