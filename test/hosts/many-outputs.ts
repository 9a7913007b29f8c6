import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Machine } from "../scenarios/machine.ts";
import { type HostKind, hostSpec } from "./host-spec.ts";
import type { KataHost } from "./kata-host.ts";

const BURST = Buffer.from(Array.from({ length: 20_000 }, (_, index) => String(index).padStart(4, "0")).join("\n"));
const BURST_BYTES = 100_000;
/** Concurrency of a busy kubelet's probes. */
const AT_ONCE = 4;

export interface OutputCounts {
  /** Number of `echo x` execs. */
  readonly echoes: number;
  /** Number of execs that write 100 kB and exit immediately. */
  readonly bursts: number;
  /** Number of containers whose first process does the same; they are removed when their output has ended. */
  readonly containers: number;
}

/** Runs many short outputs through a host's own read loops: no byte may be lost or come twice. */
export async function manyOutputs(
  machine: Machine,
  kind: HostKind,
  host: KataHost,
  { echoes, bursts, containers }: OutputCounts,
): Promise<void> {
  const burst = BURST.subarray(0, BURST_BYTES);
  const rootfs = machine.rootfs("outputs");
  writeFileSync(join(machine.hostPath(rootfs), "burst"), burst);
  const spec = (id: string, args: readonly string[]) => hostSpec(kind, { id, rootfs, args, limits: machine.real });
  const id = "outputs";
  await host.create({ id, spec: spec(id, ["/bin/sleep", "10000"]) });
  const init = await host.start(id);

  await concurrently(echoes, async () => {
    const { ended } = await host.exec(id, { args: ["/bin/echo", "x"] });
    const { stdout, stderr, status } = await ended;
    expect([stdout.toString(), stderr.length, status]).toEqual(["x\n", 0, 0]);
  });
  await concurrently(bursts, async () => {
    const { ended } = await host.exec(id, { args: ["/bin/cat", "/burst"] });
    const { stdout, status } = await ended;
    expect([stdout.length, stdout.equals(burst), status]).toEqual([BURST_BYTES, true, 0]);
  });
  await concurrently(containers, async (index) => {
    const one = `burst-${index}`;
    await host.create({ id: one, spec: spec(one, ["/bin/cat", "/burst"]) });
    const { stdout, status } = await (await host.start(one)).ended;
    expect([stdout.length, stdout.equals(burst), status]).toEqual([BURST_BYTES, true, 0]);
    await host.stop(one);
  });

  await host.kill(id, 9);
  await init.ended;
  await host.stop(id);
}

async function concurrently(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
