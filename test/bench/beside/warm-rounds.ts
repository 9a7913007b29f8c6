import { setTimeout as sleep } from "node:timers/promises";
import { ociSpec } from "../../scenarios/oci.ts";
import { GuestdRounds } from "../guestd-rounds.ts";
import { CallCpu, memoryOf } from "../process-usage.ts";
import { Samples } from "../samples.ts";
import { readSpeed } from "../stdout-speed.ts";
import type { BenchAgent } from "./agents.ts";
import { ROOTFS, startAgent } from "./running-agent.ts";

const CONTAINERS = 30;
/** More of them for processor time, whose calls are grouped by kind. */
const CPU_CONTAINERS = 10;
const CALLS = ["create", "start", "exec", "remove", "check"] as const;
const READS = 4;
const READ_MIB = 32;
/** Milliseconds that an agent idles before its memory is read. */
const SETTLE_MS = 3000;

/** Times of calls that an agent has answered many times before, in ms and MB/s, and its memory in MiB. */
export class WarmRounds {
  readonly create = new Samples();
  readonly start = new Samples();
  readonly exec = new Samples();
  readonly remove = new Samples();
  readonly check = new Samples();
  /** Processor time of the agent's own process for the same calls, ms. */
  readonly cpu = {
    create: new Samples(),
    start: new Samples(),
    exec: new Samples(),
    remove: new Samples(),
    check: new Samples(),
  };
  readonly stdout32k = new Samples();
  readonly stdout8k = new Samples();
  readonly idleMib = new Samples();
  readonly afterMib = new Samples();

  /** Measures one agent: containers and checks one after the other, then output. */
  async round(agent: BenchAgent, socket: string, rootfs: string): Promise<void> {
    await using running = await startAgent(agent, socket);
    const { client, pid } = running;
    await client.health.check({});
    await sleep(SETTLE_MS);
    this.idleMib.add(memoryOf(pid).privateDirtyKib / 1024);
    await client.agent.createSandbox({ sandbox_id: "bench", hostname: "bench" });
    running.share(rootfs);
    const OCI = ociSpec(ROOTFS, ["sleep", "1000"]);
    const rounds = new GuestdRounds(client, OCI, { Args: ["echo", "hello"], Env: ["PATH=/bin"], Cwd: "/" }, pid);
    for (let count = 0; count < CONTAINERS; count++) {
      await rounds.round(`container-${count}`, "hello\n");
      await rounds.checkOnce();
    }
    for (const name of CALLS) this[name].add(rounds[name].median);
    const more = Array.from({ length: CPU_CONTAINERS }, (_, at) => `more-${at}`);
    await rounds.cpuRounds(more, "hello\n");
    for (const name of CALLS) this.cpu[name].add(rounds.cpu[name].micros / 1000);
    await client.agent.createContainer({ container_id: "writer", exec_id: "writer", OCI });
    await client.agent.startContainer({ container_id: "writer" });
    for (let count = 0; count < READS; count++) {
      const from = { container_id: "writer", mib: READ_MIB };
      const cpu = new CallCpu(pid);
      await readSpeed(client, { ...from, exec_id: `large-${count}`, len: 32_768 }, this.stdout32k, cpu);
      await readSpeed(client, { ...from, exec_id: `small-${count}`, len: 8192, mib: READ_MIB / 4 }, this.stdout8k, cpu);
    }
    this.afterMib.add(memoryOf(pid).privateDirtyKib / 1024);
  }
}
