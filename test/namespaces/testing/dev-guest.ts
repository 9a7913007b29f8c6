import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { runGuestctl } from "../../../host/cli/testing/run-guestctl.ts";
import type { GuestRecord } from "../../../host/engine/record/state-records.ts";
import { StateStore } from "../../../host/engine/record/state-store.ts";
import { describeInNamespaces } from "../../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "./host-agent.ts";

/** The machine's own limit may be below guestctl's usual one, and only a guest can raise it. */
export const LIMIT = ["--ulimit", "nofile=1024"];

/** Words of `guestctl run` for a container with the guest's own root. */
export const WHERE = ["--guest", "dev", "--guest-root", ...LIMIT];

/** guestctl with guest "dev", whose agent runs on this machine. */
export class DevGuest {
  #machine: Awaited<ReturnType<typeof startHostAgent>> | undefined;

  async open(): Promise<void> {
    const machine = await startHostAgent();
    this.#machine = machine;
    const folder = join(machine.directory, "share");
    mkdirSync(join(folder, "shared"), { recursive: true, mode: 0o700 });
    this.store.claim("dev");
    const place = { address: machine.address, logAddress: machine.address, folder };
    const size = { accelerator: "none", memoryMib: 512, cpus: 1, timeline: { listening: 0, check: 0 } };
    this.store.writeGuest({ name: "dev", ...place, ...size, bootedAt: new Date().toISOString() } satisfies GuestRecord);
    await using client = await machine.connect({});
    await client.agent.createSandbox({ sandbox_id: "dev", hostname: "dev" });
  }

  get store(): StateStore {
    return new StateStore(join(this.#directory, `guestd-${process.geteuid?.()}`));
  }

  get #directory(): string {
    if (this.#machine === undefined) throw new Error("the guest isn't open");
    return this.#machine.directory;
  }

  /** Environment in which guestctl finds the guest. */
  get env(): NodeJS.ProcessEnv {
    return { XDG_RUNTIME_DIR: this.#directory, XDG_CACHE_HOME: this.#directory, DOCKER_CONFIG: this.#directory };
  }

  run(...args: string[]): ReturnType<typeof runGuestctl> {
    return runGuestctl(this.#directory, args);
  }

  /** Runs a detached container with a shell script. */
  detach(name: string, options: readonly string[], script: string): ReturnType<typeof runGuestctl> {
    return this.run("run", "-d", ...WHERE, "--name", name, ...options, "sh", "-c", script);
  }

  async stateOf(name: string) {
    return JSON.parse((await this.run("inspect", name)).stdout)[0].state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.[Symbol.asyncDispose]();
  }
}

/** Output and exit status of guestctl for a command that names a container. */
export const named = (name: string) => ({ stdout: `${name}\n`, stderr: "", code: 0 });

/** Describes tests with guest "dev". */
export function describeWithDevGuest(title: string, tests: (dev: DevGuest) => void): void {
  describeInNamespaces(title, () => {
    const dev = new DevGuest();
    beforeAll(() => dev.open());
    afterAll(() => dev[Symbol.asyncDispose]());
    tests(dev);
  });
}
