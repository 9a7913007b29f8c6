import { whyNoNamespaces } from "../../init/testing/harness.ts";
import { startHostAgent } from "../../namespaces/testing/host-agent.ts";
import { Pod } from "../../scenarios/pod.ts";
import { Samples } from "../samples.ts";
import { LOADS, type Load, type RunningLoad } from "./loads.ts";

const AIM_MS = 50;
const VICTIMS = 40;
const LIMIT_MS = 20_000;

interface Victim {
  readonly container_id: string;
  readonly exec_id: string;
}

interface Step {
  readonly name: string;
  readonly execs: Measured;
  readonly containers: Measured;
  /** Summary of the loads' work during the step. */
  readonly meanwhile: readonly string[];
}

interface Measured {
  readonly answered: Samples;
  readonly ended: Samples;
}

/**
 * Measures how soon SignalProcess is answered and the end reported, under loads that are added one after the other: for
 * execs, and for containers with two processes, which are killed through their cgroup. Throws if a load was not running
 * at one of the kills.
 */
class KillBench {
  readonly #pod: Pod;
  /** Client with a separate connection. */
  readonly #killer: Pod;
  readonly #rootfs: string;
  readonly #running = new Map<Load, RunningLoad>();

  constructor(pod: Pod, killer: Pod) {
    this.#pod = pod;
    this.#killer = killer;
    this.#rootfs = pod.machine.rootfs("victims");
  }

  async begin(load: Load, place: Parameters<Load["begin"]>[0]): Promise<void> {
    this.#running.set(load, await load.begin(place));
  }

  async step(name: string, begin: () => Promise<void>): Promise<Step> {
    const holder = await this.#start(["sleep", "10000"]);
    const execs: Victim[] = [];
    const containers: Victim[] = [];
    for (let index = 0; index < VICTIMS; index++) {
      execs.push({ container_id: holder, exec_id: await this.#pod.exec(holder, ["sleep", "10000"]) });
      const container_id = await this.#start(["sh", "-c", "sleep 10000 & exec sleep 10000"]);
      containers.push({ container_id, exec_id: "" });
    }
    await begin();
    const killed = { execs: await this.#kill(execs), containers: await this.#kill(containers) };
    const meanwhile: string[] = [];
    for (const load of this.#running.values()) meanwhile.push(await load.prove());
    for (const { container_id } of [...containers, { container_id: holder }]) await this.#killer.remove(container_id);
    return { name, ...killed, meanwhile };
  }

  async #start(args: readonly string[]): Promise<string> {
    const container_id = await this.#pod.create(args, {}, this.#rootfs);
    await this.#pod.client.agent.startContainer({ container_id });
    return container_id;
  }

  async #kill(victims: readonly Victim[]): Promise<Measured> {
    const { agent } = this.#killer.client;
    const [answered, ended] = [new Samples(), new Samples()];
    const limit = { timeoutMs: LIMIT_MS };
    for (const ids of victims) {
      const gone = ended.time(() => agent.waitProcess(ids, limit));
      gone.catch(() => undefined); // until it is awaited
      this.#checkLoads();
      await answered.time(() => agent.signalProcess({ ...ids, signal: 9 }, limit));
      this.#checkLoads();
      const { status } = await gone;
      if (status !== 137) throw new Error(`${ids.container_id} "${ids.exec_id}" ended with ${status}, not by SIGKILL`);
    }
    return { answered, ended };
  }

  #checkLoads(): void {
    for (const [{ name }, { calls }] of this.#running) {
      if (calls.open < calls.made)
        throw new Error(`${name}: ${calls.open} of ${calls.made} calls were open during a kill`);
    }
  }
}

async function main(): Promise<void> {
  const reason = whyNoNamespaces();
  if (reason !== undefined) throw new Error(reason);
  await using machine = await startHostAgent();
  const end = new AbortController();
  await using client = await machine.connect();
  await using killer = await machine.connect();
  const pod = await Pod.open(machine, client);
  const bench = new KillBench(pod, new Pod(machine, killer));
  const place = { pod, machine, end: end.signal };
  const steps = [await bench.step("nothing else", async () => undefined)];
  for (const [index, load] of LOADS.entries()) {
    const before = LOADS.slice(0, index).filter(({ once }) => once);
    const begin = async () => {
      for (const one of [...before, load]) await bench.begin(one, place);
    };
    steps.push(await bench.step(`+ ${load.name}`, begin));
  }
  process.stdout.write(table(steps));
  end.abort();
}

function table(steps: readonly Step[]): string {
  const heads = ["SignalProcess 9, ms", "median", "p95", "max", "aim", "ended", "max"];
  const lines = steps.flatMap(({ name, execs, containers }) => [
    [name],
    row("  exec", execs),
    row("  container", containers),
  ]);
  const widths = heads.map((head, at) =>
    Math.max(head.length, ...lines.map((line) => (at > 0 ? (line[at]?.length ?? 0) : 12))),
  );
  const text = [heads, ...lines].map((line) =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
  );
  const proof = steps.at(-1)?.meanwhile.map((line) => `  ${line}\n`);
  return `${text.join("\n")}\n\nDuring all ${2 * VICTIMS} kills of the last step:\n${proof?.join("")}`;
}

function row(name: string, { answered, ended }: Measured): string[] {
  const figures = [answered.median, answered.p95, answered.max].map((ms) => ms.toFixed(1));
  return [name, ...figures, `≤ ${AIM_MS}`, ended.median.toFixed(1), ended.max.toFixed(1)];
}

await main();
