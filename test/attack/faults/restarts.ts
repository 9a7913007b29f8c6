import { expect } from "vitest";
import type { FaultyMachine } from "./faulty-machine.ts";

/** More than any agent makes. */
const NONE = 0xffff_fffe;

/** Kills the agent and counts the system calls of the addon that its successor makes until it listens. */
export async function countStartCalls({ machine, control }: FaultyMachine): Promise<number> {
  control.arm({ first: NONE, variant: 0 });
  await machine.killAgent();
  return control.disarm().count;
}

/**
 * Kills agents whose successors fail at one of these calls each. The successor, or the one after it, goes on: the container
 * is there, a connection that was open answers or is closed, and nothing is left over.
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
    const answer = await client.health.check({}, { timeoutMs: 5000 }).then(
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

/** What does not change with another agent. */
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
