import { setTimeout as delay } from "node:timers/promises";
import { StateStore } from "../../../host/engine/record/state-store.ts";
import { type CreateOptions, Sandbox } from "../../../host/sdk/index.ts";
import { Samples } from "../samples.ts";

export const KINDS = ["cold", "template", "fork", "pool"] as const;
export type Kind = (typeof KINDS)[number];

const POOL_MS = 120_000;
const POLL_MS = 10;

/** A command in a container of an image, for which sandboxes are started. */
export interface Workload {
  /** Name of the template with the container, in which the command has run before. */
  readonly template: string;
  /** Path of the container's image. */
  readonly image: string;
  readonly command: readonly [string, ...string[]];
  /** Its output. */
  readonly output: string;
}

/** Milliseconds from the call to the agent's first answer, and to the output of the first command in the container. */
interface Times {
  readonly check: Samples;
  readonly output: Samples;
}

/** Measures how long a sandbox takes that is booted, started from a template, forked, or taken from a pool. */
export class StartTimes {
  readonly times: Readonly<Record<Kind, Times>>;
  readonly #workload: Workload;

  constructor(workload: Workload) {
    this.#workload = workload;
    const times = () => ({ check: new Samples(), output: new Samples() });
    this.times = { cold: times(), template: times(), fork: times(), pool: times() };
  }

  /** Starts one sandbox of each kind, one after the other. */
  async round(): Promise<void> {
    const { template, image } = this.#workload;
    const create = (options: CreateOptions) => async () => Sandbox.create(options);
    await using cold = await this.#measure("cold", create({ image }));
    await cold.stop();
    await using clone = await this.#measure("template", create({ template }));
    await using _fork = await this.#measure("fork", async () => {
      const [fork] = await clone.fork();
      if (fork instanceof Sandbox) return fork;
      throw fork ?? new Error("no clone");
    });
    await clone.stop();
    await using pool = await Sandbox.pool({ template, size: 1, maxMemoryMib: 512 });
    const end = performance.now() + POOL_MS;
    while (pool.ready === 0 && performance.now() < end) await delay(POLL_MS);
    await using _taken = await this.#measure("pool", () => pool.take());
  }

  /** Measures the start of a sandbox and its first command. */
  async #measure(kind: Kind, start: () => Promise<Sandbox>): Promise<Sandbox> {
    const { command, output } = this.#workload;
    const times = this.times[kind];
    const began = performance.now();
    const sandbox = await start();
    const started = performance.now() - began;
    const { stdout } = await sandbox.exec(command);
    times.output.add(performance.now() - began);
    if (stdout !== output) throw new Error(`${command.join(" ")} printed ${JSON.stringify(stdout)}`);
    const guest = new StateStore().guests().find(({ name }) => name === sandbox.name);
    times.check.add(kind === "pool" ? started : (guest?.timeline.check ?? Number.NaN));
    return sandbox;
  }
}
