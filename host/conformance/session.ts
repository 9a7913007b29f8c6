import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { reason } from "../../lib/reason.ts";
import { type AgentClient, connect } from "../client/agent-client.ts";
import { sendFiles } from "../client/send-files.ts";
import type { LocalRoot } from "./busybox-root.ts";
import type { Prerequisite } from "./case.ts";
import { isAlive } from "./is-alive.ts";
import { agentReplaced, openSandbox, type SandboxOutcome } from "./open-sandbox.ts";
import {
  makeDirectory,
  removeContainer,
  removeUploaded,
  runsContainers,
  SHARED,
  whyNoMemoryLimits,
} from "./session-containers.ts";
import type { AgentUnderTest } from "./target/target.ts";

export const HOSTNAME = "conformance-pod";
export const NAMESERVER = "nameserver 10.0.0.10";
/** The pod's shared memory, as both hosts request it. */
export const SHM = {
  driver: "ephemeral",
  source: "shm",
  fstype: "tmpfs",
  options: ["noexec", "nosuid", "nodev", "mode=1777", "size=67108864"],
  mount_point: "/run/kata-containers/sandbox/shm",
};
const RESTARTED_MS = 60_000;
const PREPARE_MS = 60_000;

export type Protocol = "ttrpc" | "grpc";

export interface SessionOptions {
  readonly protocol: Protocol;
  readonly root: LocalRoot;
  /** Path in the guest of a root file system with busybox, instead of one that is uploaded. */
  readonly guestRootfs?: string | undefined;
  /** Time limit in milliseconds of CreateSandbox, and of the upload of the root file system; 60 s by default. */
  readonly prepareMs?: number;
}

let sessions = 0;

/** An agent under test with its sandbox and root file system, for one group of cases. */
export class Session implements AsyncDisposable {
  readonly agent: AgentUnderTest;
  readonly protocol: Protocol;
  /** Unique within the agent, so that nothing of an earlier run is in the way. */
  readonly id = `conf-${Date.now().toString(36)}-${process.pid}-${++sessions}`;
  readonly #options: SessionOptions;
  #control: AgentClient;
  #sandbox: Promise<SandboxOutcome> | undefined;
  #rootfs: Promise<string | undefined> | undefined;
  /** Uploads so far; each has its own directory, as not every agent replaces files. */
  #uploads = 0;
  #memory: Promise<string | undefined> | undefined;
  #mac: Promise<string> | undefined;

  private constructor(agent: AgentUnderTest, control: AgentClient, options: SessionOptions) {
    this.agent = agent;
    this.protocol = options.protocol;
    this.#control = control;
    this.#options = options;
  }

  /** Owns the agent; closes it if it can't be reached. */
  static async open(agent: AgentUnderTest, options: SessionOptions): Promise<Session> {
    try {
      return new Session(agent, await connect(agent.address, { protocol: options.protocol }), options);
    } catch (error) {
      await agent[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Path in the guest of the root file system of all containers. */
  get rootfs(): string {
    return this.#options.guestRootfs ?? `${SHARED}/${this.id}/rootfs-${this.#uploads}`;
  }

  get #prepareMs(): number {
    return this.#options.prepareMs ?? PREPARE_MS;
  }

  /** Creates the sandbox once. */
  sandbox(): Promise<SandboxOutcome> {
    this.#sandbox ??= this.#createSandbox();
    return this.#sandbox;
  }

  /** Makes the next case upload the root file system again, after a call that may have removed it. */
  forgetRootfs(): void {
    this.#rootfs = undefined;
  }

  /** MAC address of the interface that cases may change. */
  interfaceAddress(): Promise<string> {
    const { spareInterface } = this.agent;
    if (spareInterface === undefined) throw new Error("no interface may be changed");
    this.#mac ??= spareInterface();
    return this.#mac;
  }

  /** Returns why a prerequisite isn't met; undefined if it is. */
  async missing(what: Prerequisite): Promise<string | undefined> {
    switch (what) {
      case "ttrpc":
        return this.protocol === "ttrpc" ? undefined : "it sends frames of ttRPC, and this run uses gRPC";
      case "own-agent":
        return this.agent.isOwn ? undefined : "it ends or spoils the agent; give --start or --guest";
      case "restart":
        return this.agent.restart === undefined ? "it kills the agent; give --restart or --pid" : undefined;
      case "sandbox":
        return this.#whyNoSandbox();
      case "rootfs":
        return (await this.#whyNoSandbox()) ?? (await this.#whyNoRootfs());
      case "memory-limits":
        return (await this.missing("rootfs")) ?? (await this.#whyNoMemoryLimits());
      case "interface":
        return (await this.missing("rootfs")) ?? (await this.#whyNoInterface());
    }
  }

  /** True if the agent answers on a new connection, also a call about a container. */
  isAlive(limitMs?: number): Promise<boolean> {
    return isAlive(this.agent.address, this.protocol, limitMs);
  }

  /** Kills the agent and waits until another one answers. */
  async restart(): Promise<void> {
    await this.agent.restart?.();
    agentReplaced(this.agent);
    await this.#control.close();
    for (const end = performance.now() + RESTARTED_MS; !(await this.isAlive(1000)); await sleep(50)) {
      if (performance.now() > end) throw new Error("no agent answered within 60 s after the kill");
    }
    this.#control = await connect(this.agent.address, { protocol: this.protocol });
  }

  /** Removes a container by all means. Resolves to the reason if that fails. */
  remove(container_id: string): Promise<string | undefined> {
    return removeContainer(this.#control.agent, container_id);
  }

  /** Closes the connection, and the agent if it is the suite's. Otherwise removes the files that CopyFile has created. */
  async [Symbol.asyncDispose](): Promise<void> {
    const canClean = !this.agent.isOwn && this.#rootfs !== undefined && (await this.#rootfs) === undefined;
    if (canClean) await removeUploaded(this.#control.agent, this.rootfs, this.id);
    await this.#control.close();
    await this.agent[Symbol.asyncDispose]();
  }

  #createSandbox(): Promise<SandboxOutcome> {
    const request = { sandbox_id: this.id, hostname: HOSTNAME, dns: [NAMESERVER], storages: [SHM] };
    return openSandbox(this.agent, {
      create: () => this.#control.agent.createSandbox(request, { timeoutMs: this.#prepareMs }),
      runsContainers: async () =>
        (await this.#whyNoRootfs()) === undefined &&
        (await runsContainers(this.#control.agent, this.rootfs, `${this.id}-probe`)),
    });
  }

  async #whyNoSandbox(): Promise<string | undefined> {
    const outcome = await this.sandbox();
    return outcome instanceof Error ? `the sandbox could not be created: ${reason(outcome)}` : undefined;
  }

  #whyNoRootfs(): Promise<string | undefined> {
    this.#rootfs ??= this.#upload();
    return this.#rootfs;
  }

  async #upload(): Promise<string | undefined> {
    if (this.#options.guestRootfs !== undefined) return undefined;
    const { root } = this.#options;
    this.#uploads++;
    if ("missing" in root) return root.missing;
    const signal = AbortSignal.timeout(this.#prepareMs);
    try {
      await makeDirectory(this.#control.agent, dirname(this.rootfs), { signal });
      await sendFiles(this.#control, root.path, this.rootfs, { owner: { uid: 0, gid: 0 }, signal });
      return undefined;
    } catch (error) {
      const why = signal.aborted ? `not done within ${this.#prepareMs / 1000} s` : reason(error);
      return `the root file system could not be copied into the guest, give --guest-rootfs: ${why}`;
    }
  }

  async #whyNoInterface(): Promise<string | undefined> {
    if (this.agent.spareInterface === undefined) return "it changes a network interface; give --interface MAC";
    return this.interfaceAddress().then(
      () => undefined,
      (error: unknown) => `no interface could be created: ${reason(error)}`,
    );
  }

  #whyNoMemoryLimits(): Promise<string | undefined> {
    this.#memory ??= whyNoMemoryLimits(this.#control.agent, this.rootfs, `${this.id}-limit`);
    return this.#memory;
  }
}
