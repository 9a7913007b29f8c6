import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { StateStore } from "../../../host/engine/record/state-store.ts";
import { PageClient } from "../../../host/serve/testing/page-client.ts";
import { type GuestctlProcess, launcher, startProgram } from "../../scenarios/guestctl-process.ts";
import { Pod } from "../../scenarios/pod.ts";
import { startHostAgent } from "./host-agent.ts";

/** Name of the only guest. */
export const GUEST = "sample";

type HostAgent = Awaited<ReturnType<typeof startHostAgent>>;

/** An agent in namespaces of this machine, recorded as a guest, and servers of pages for it. */
export class ServedAgent implements AsyncDisposable {
  readonly machine: HostAgent;
  pod: Pod;
  readonly store: StateStore;
  readonly env: { readonly XDG_RUNTIME_DIR: string };
  readonly #servers: GuestctlProcess[] = [];

  private constructor(machine: HostAgent, pod: Pod, runtime: string) {
    this.machine = machine;
    this.pod = pod;
    this.env = { XDG_RUNTIME_DIR: runtime };
    this.store = new StateStore(join(runtime, `guestd-${process.geteuid?.()}`));
  }

  static async start(options: Parameters<typeof startHostAgent>[0] = {}): Promise<ServedAgent> {
    const machine = await startHostAgent(options);
    const runtime = join(machine.directory, "run");
    mkdirSync(runtime, { mode: 0o700 });
    const served = new ServedAgent(machine, await Pod.open(machine), runtime);
    served.record(GUEST);
    return served;
  }

  /** Records a guest whose agent is the machine's. */
  record(name: string): void {
    this.store.claim(name);
    const timeline = { kernel: 100, init: 200, agent: 210, loaded: 400, listening: 450, check: 470 };
    const { address, directory: folder } = this.machine;
    const size = { memoryMib: 512, cpus: 1, timeline, bootedAt: new Date().toISOString() };
    this.store.writeGuest({ name, address, logAddress: address, folder, accelerator: "tcg", ...size });
  }

  /** Connects to the agent that replaced a killed one. */
  async reopenPod(): Promise<void> {
    await this.pod.client.close();
    this.pod = await Pod.open(this.machine);
  }

  /** Starts `guestctl serve`, by default at a free port, and resolves with its link. `script` is guestctl's. */
  async serve(
    flags: readonly string[] = [],
    listen = "127.0.0.1:0",
    script = launcher,
  ): Promise<{ link: string; server: GuestctlProcess }> {
    const server = startProgram([process.execPath, script, "serve", "--no-open", "--listen", listen, ...flags], {
      env: this.env,
    });
    this.#servers.push(server);
    await server.prints(/#\S+\n/);
    return { link: server.output.stdout.toString().trim(), server };
  }

  /** Starts a server, and opens its page. */
  async open(flags: readonly string[] = []): Promise<PageClient> {
    return PageClient.open((await this.serve(flags)).link);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#servers) child.kill("SIGTERM");
    await Promise.all(this.#servers.map(({ ended }) => ended));
    this.store.removeGuest(GUEST);
    await this.pod.client.close();
    await this.machine[Symbol.asyncDispose]();
  }
}
