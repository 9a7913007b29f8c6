import type { AgentClient } from "../../../host/client/agent-client.ts";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import { HostCalls } from "../host-calls.ts";
import {
  type HostContainer,
  type HostExec,
  type HostOptions,
  type HostProcess,
  type KataHost,
  type SandboxRequest,
  SHM,
} from "../kata-host.ts";
import { killEnded, RsProcess } from "./rs-process.ts";

const CALL_MS = 30_000;
const CHECK_MS = 90_000;
const CHECK_EVERY_MS = 30_000;
const VERSION_EVERY = 10;
/** Limit on errors of GetOOMEvent: the shim retries immediately, so an agent that always fails would make it spin. */
const MAX_OOM_ERRORS = 1;

/** Makes the calls of `src/runtime-rs`'s containerd-shim-kata-v2. */
export class RuntimeRs implements KataHost {
  readonly calls: HostCalls;
  readonly oomEvents: string[] = [];
  readonly lastMessages = new Map<string, string>();
  readonly #checkEveryMs: number;
  readonly #slowReader: boolean;
  readonly #processes = new Map<string, RsProcess>();
  readonly #terminals = new Set<string>();
  readonly #askLast = new Set<string>();
  #execs = 0;
  #polling: Promise<void> | undefined;

  constructor(client: AgentClient, options: HostOptions = {}) {
    const { checkEveryMs = CHECK_EVERY_MS, slowReader = false, patience } = options;
    this.calls = new HostCalls(client, CALL_MS, {}, patience);
    this.#checkEveryMs = checkEveryMs;
    this.#slowReader = slowReader;
  }

  async openSandbox({ id, hostname, storages, dns = [], network }: SandboxRequest): Promise<void> {
    if (network !== undefined) {
      await this.calls.call("updateInterface", network.interface);
      await this.calls.call("addARPNeighbors", network.neighbors);
      await this.calls.call("updateRoutes", network.routes);
    }
    await this.calls.call("createSandbox", { hostname, dns, storages: [...storages, SHM], sandbox_id: id });
    await this.calls.call("getGuestDetails", { mem_block_size: true, mem_hotplug_probe: true });
    this.#polling = this.#poll();
    this.#polling.catch(() => undefined); // until end
    this.calls.checkEvery(this.#checkEveryMs, CHECK_MS, VERSION_EVERY);
  }

  async create({ id, spec, sharePid = false, grown, lastMessage = false }: HostContainer): Promise<void> {
    if (grown !== undefined) await this.calls.call("onlineCPUMem", { nb_cpus: grown.total });
    await this.calls.call("createContainer", { container_id: id, exec_id: "", OCI: spec, sandbox_pidns: sharePid });
    if (spec.Process?.Terminal === true) this.#terminals.add(id);
    if (lastMessage) this.#askLast.add(id);
  }

  async start(id: string): Promise<HostProcess> {
    await this.calls.call("startContainer", { container_id: id });
    const process = new RsProcess(
      this.calls,
      { container_id: id, exec_id: "" },
      {
        terminal: this.#terminals.has(id),
        slowReader: this.#slowReader,
        ...(this.#askLast.has(id) ? { onMessage: (text: string) => this.lastMessages.set(id, text) } : {}),
      },
    );
    this.#processes.set(id, process);
    return process;
  }

  async exec(id: string, { args, terminal }: HostExec): Promise<HostProcess> {
    const exec_id = `e${++this.#execs}`;
    const spec = {
      Terminal: terminal !== undefined,
      User: { AdditionalGids: [0] },
      Args: args,
      Env: ["PATH=/bin"],
      Cwd: "/",
      Rlimits: [{ Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024 }],
      NoNewPrivileges: true,
    };
    try {
      await this.calls.call("execProcess", { container_id: id, exec_id, process: spec });
    } catch (error) {
      await killEnded(this.calls, id, exec_id);
      throw error;
    }
    const process = new RsProcess(
      this.calls,
      { container_id: id, exec_id },
      { terminal: terminal !== undefined, slowReader: this.#slowReader },
    );
    if (terminal !== undefined) await process.resize(...terminal);
    return process;
  }

  async kill(id: string, signal: number): Promise<void> {
    await this.calls.call("signalProcess", { container_id: id, exec_id: "", signal });
  }

  async pause(id: string): Promise<void> {
    await this.calls.call("pauseContainer", { container_id: id });
  }

  async resume(id: string): Promise<void> {
    await this.calls.call("resumeContainer", { container_id: id });
  }

  async update(id: string, resources: Init<grpc.LinuxResources>): Promise<void> {
    await this.calls.call("updateContainer", { container_id: id, resources });
  }

  stats(id: string): Promise<grpc.StatsContainerResponse> {
    return this.calls.call("statsContainer", { container_id: id });
  }

  /** Only waits: the container was removed when its process ended, so containerd's Delete makes no call. */
  async stop(id: string): Promise<void> {
    const process = this.#processes.get(id);
    if (process === undefined) throw new Error(`stop ${id}: the container was not started`);
    if (!process.over) await this.kill(id, 9);
    await process.ended;
  }

  /** Sends nothing, as the VM is simply stopped. */
  async end(): Promise<void> {
    await this.calls.endChecks();
    await this.calls.client.close();
    await this.#polling;
  }

  async #poll(): Promise<void> {
    for (let errors = 0; ; ) {
      try {
        const { container_id } = await this.calls.call("getOOMEvent", {}, 0);
        this.oomEvents.push(container_id);
      } catch (error) {
        if ((error as Error).message.includes("ttrpc: closed")) return;
        if (++errors > MAX_OOM_ERRORS) throw new Error("GetOOMEvent failed twice in a row", { cause: error });
      }
    }
  }
}
