import { setTimeout as sleep } from "node:timers/promises";
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
import { GoProcess } from "./go-process.ts";

const CALL_MS = 60_000;
const CHECK_MS = 30_000;
const CHECK_EVERY_MS = 5000;
const SIGKILL = 9;
const OOM_RETRY_MS = 1000;

/** Makes the calls of `src/runtime`'s containerd-shim-kata-v2. */
export class GoShim implements KataHost {
  readonly calls: HostCalls;
  readonly oomEvents: string[] = [];
  readonly lastMessages = new Map<string, string>();
  readonly #checkEveryMs: number;
  readonly #processes = new Map<string, GoProcess>();
  readonly #terminals = new Set<string>();
  readonly #askLast = new Set<string>();
  #polling: Promise<void> | undefined;
  #ending = false;

  constructor(client: AgentClient, { checkEveryMs = CHECK_EVERY_MS, patience }: HostOptions = {}) {
    this.calls = new HostCalls(client, CALL_MS, { "containerd-namespace-ttrpc": "default" }, patience);
    this.#checkEveryMs = checkEveryMs;
  }

  async openSandbox({ id, hostname, storages, dns = [], network }: SandboxRequest): Promise<void> {
    await this.calls.check(CHECK_MS);
    if (network !== undefined) {
      await this.calls.call("updateInterface", network.interface);
      await this.calls.call("updateRoutes", network.routes);
      await this.calls.call("addARPNeighbors", network.neighbors);
    }
    await this.calls.call("createSandbox", { hostname, dns, storages: [...storages, SHM], sandbox_id: id });
    await this.calls.call("getGuestDetails", { mem_block_size: true, mem_hotplug_probe: true });
  }

  async create({ id, spec, sharePid = false, grown, lastMessage = false }: HostContainer): Promise<void> {
    await this.calls.call("createContainer", { container_id: id, exec_id: id, OCI: spec, sandbox_pidns: sharePid });
    if (spec.Process?.Terminal === true) this.#terminals.add(id);
    if (lastMessage) this.#askLast.add(id);
    if (grown !== undefined) await this.calls.call("onlineCPUMem", { nb_cpus: grown.processors, cpu_only: true });
    await this.#updateResources();
  }

  async start(id: string): Promise<HostProcess> {
    await this.calls.call("startContainer", { container_id: id });
    if (this.#polling === undefined) {
      this.#polling = this.#poll();
      this.calls.checkEvery(this.#checkEveryMs, CHECK_MS);
    }
    const process = new GoProcess(this.calls, id, id, this.#terminals.has(id));
    this.#processes.set(id, process);
    return process;
  }

  async exec(id: string, { args, terminal }: HostExec): Promise<HostProcess> {
    const exec_id = crypto.randomUUID();
    const User = { AdditionalGids: [0] };
    const spec = { Terminal: terminal !== undefined, User, Args: args, Env: ["PATH=/bin"], Cwd: "/" };
    await this.calls.call("execProcess", { container_id: id, exec_id, process: spec });
    const process = new GoProcess(this.calls, id, exec_id, terminal !== undefined);
    if (terminal !== undefined) await process.resize(...terminal);
    return process;
  }

  async kill(id: string, signal: number): Promise<void> {
    try {
      await this.calls.call("signalProcess", { container_id: id, exec_id: "", signal });
    } catch (error) {
      if (!(error as Error).message.includes("ESRCH: No such process")) throw error;
    }
  }

  async pause(id: string): Promise<void> {
    await this.calls.call("pauseContainer", { container_id: id });
  }

  async resume(id: string): Promise<void> {
    await this.calls.call("resumeContainer", { container_id: id });
  }

  async update(id: string, resources: Init<grpc.LinuxResources>): Promise<void> {
    await this.calls.call("updateContainer", { container_id: id, resources });
    await this.#updateResources();
  }

  stats(id: string): Promise<grpc.StatsContainerResponse> {
    return this.calls.call("statsContainer", { container_id: id });
  }

  /** Waits for the process's end before a second WaitProcess; the first is the process's own. */
  async stop(id: string): Promise<void> {
    const process = this.#processes.get(id);
    const late = process === undefined ? undefined : process.ended.catch(() => undefined);
    await this.kill(id, SIGKILL);
    await late;
    await this.calls.call("waitProcess", { container_id: id, exec_id: id }, 0).catch(() => undefined);
    if (this.#askLast.has(id)) this.lastMessages.set(id, await this.calls.lastMessage(id));
    await this.calls.call("removeContainer", { container_id: id });
    await this.calls.call("removeStaleVirtiofsShareMounts", {});
    this.#processes.delete(id);
  }

  async end(): Promise<void> {
    this.#ending = true;
    await this.calls.endChecks();
    await this.calls.call("destroySandbox", {});
    await this.calls.client.close();
    await this.#polling;
  }

  /** Runs after each change, whatever it was, to bring added memory online. */
  async #updateResources(): Promise<void> {
    await this.calls.call("onlineCPUMem", {});
    await this.calls.call("updateEphemeralMounts", {});
  }

  async #poll(): Promise<void> {
    for (;;) {
      try {
        const { container_id } = await this.calls.call("getOOMEvent", {}, 0);
        this.oomEvents.push(container_id);
      } catch (error) {
        if (this.#ending || (error as Error).message.includes("ttrpc: closed")) return;
        await sleep(OOM_RETRY_MS);
      }
    }
  }
}
