import { constants } from "node:os";
import type { CallOptions } from "../client/rpc-channel.ts";
import type { AttachOptions, AttachRequest } from "../client/streams/attachment.ts";
import { calledProcess, streamedProcess } from "./attach/container-process.ts";
import { laterProcess } from "./attach/later-process.ts";
import { removeContainer, type StopOptions, stopContainer, waitForContainer } from "./container/end-container.ts";
import { noteStopped } from "./container/end-restarts.ts";
import { execSpec, isNumeric } from "./container/exec-spec.ts";
import { checkMemoryUse } from "./container/memory-hint.ts";
import type { PlanStep } from "./container/plan-step.ts";
import type { Connection } from "./guest/agent-offers.ts";
import type { ContainerTarget } from "./guest/guest-target.ts";
import { randomName } from "./guest/random-name.ts";
import { Guest } from "./guest.ts";
import { type Limits, limitResources } from "./image/limit-resources.ts";
import type { Process, ProcessStart, TakeOutput } from "./process.ts";
import type { StateStore } from "./record/state-store.ts";

const { SIGTERM, SIGKILL } = constants.signals;

/** Wishes of a process's client. */
type ClientOptions = Pick<AttachOptions, "signal" | "onDisconnect">;

/** A container in a guest of this user, or at any address. Methods throw RpcError, OperationError or an error of dialling. */
export class Container {
  readonly guest: Guest;
  readonly target: ContainerTarget;
  readonly #connection: Connection | undefined;

  /** Without a connection to the agent that the caller keeps, each call connects. */
  constructor(store: StateStore, target: ContainerTarget, connection?: Connection) {
    this.guest = new Guest(store, target, connection);
    this.target = target;
    this.#connection = connection;
  }

  get id(): string {
    return this.target.container;
  }

  /** Starts a process with this program as its client; an agent that is known to have no streams is asked by Kata's calls. */
  start(request: ProcessStart, take: TakeOutput, options: ClientOptions = {}): Process {
    const exec = randomName("x");
    const { target } = this;
    const { user } = request;
    if (user === undefined || isNumeric(user)) return this.#start(exec, target, request, take, options);
    const start = async () => {
      const { withUsersOf } = await import("./guest/users-in.ts");
      await using users = await withUsersOf(target, user);
      return this.#start(exec, users.target, request, take, options);
    };
    return laterProcess(exec, start());
  }

  /** Becomes the client of a process at a position of its output. */
  join(
    request: Pick<AttachRequest, "from" | "takeover"> & { readonly exec: string },
    take: TakeOutput,
    options: ClientOptions = {},
  ): Process {
    const { address, dial } = this.guest.streams;
    return streamedProcess(address, { ...request, container: this.id }, { ...options, dial }, take);
  }

  /** Freezes its processes. */
  async pause(options?: CallOptions): Promise<void> {
    await this.guest.call(({ agent }) => agent.pauseContainer({ container_id: this.id }, options));
    this.#note({ paused: true });
  }

  /** Lets its processes continue after `pause`. */
  async resume(options?: CallOptions): Promise<void> {
    await this.guest.call(({ agent }) => agent.resumeContainer({ container_id: this.id }, options));
    this.#note({ paused: false });
  }

  /** Returns what its cgroup counts. */
  async stats(options?: CallOptions) {
    return await this.guest.call(({ agent }) => agent.statsContainer({ container_id: this.id }, options));
  }

  /** Returns its launch plan, with the durations that were measured. */
  async explain(options?: CallOptions): Promise<readonly PlanStep[]> {
    this.guest.checkOffer("guest");
    const { steps } = await this.guest.call(({ guest }) => guest.explain({ container_id: this.id }, options));
    return steps.map(({ operation, object, reason, micros }) => ({
      ...{ operation, object, reason },
      micros: micros ?? undefined,
    }));
  }

  /** Changes its limits; those not given stay as they are. */
  async update(limits: Limits): Promise<void> {
    const resources = limitResources(limits);
    await this.guest.call(async (client) => {
      if (limits.memory !== undefined) await checkMemoryUse(client, this.id, limits.memory);
      await client.agent.updateContainer({ container_id: this.id, resources });
    });
  }

  /** Sends a signal to its first process or an exec. Without an exec, SIGKILL goes to all its processes. */
  async kill(signal: number, exec?: string): Promise<void> {
    const isStop = signal === SIGKILL || signal === SIGTERM;
    if (exec === undefined && isStop) noteStopped(this.guest.store, this.target);
    const exec_id = exec ?? (signal === SIGKILL ? "" : this.id);
    await this.guest.call(({ agent }) => agent.signalProcess({ container_id: this.id, exec_id, signal }));
  }

  /** Has it end by a signal, by default its own, and kills it after some seconds. Resolves once it has ended. */
  stop(how: StopOptions = {}): Promise<void> {
    return stopContainer(this, how);
  }

  /** Waits for its end. Returns its exit code. */
  wait(): Promise<number> {
    return waitForContainer(this);
  }

  /** Kills its processes and removes it, with its record and its files. `seconds`: the most that the agent may take. */
  remove(seconds?: number, options?: CallOptions): Promise<void> {
    return removeContainer(this, seconds, options);
  }

  #start(
    exec: string,
    target: ContainerTarget,
    { argv, env, cwd, user, terminal, mode, keepBytes }: ProcessStart,
    take: TakeOutput,
    options: ClientOptions,
  ): Process {
    const spec = execSpec(target, argv, { env, cwd, user: user || undefined, terminal });
    const process = target.guest === undefined ? { ...spec, Rlimits: [] } : spec;
    const id = { container: this.id, exec };
    const { client, offers } = this.#connection ?? {};
    const byCalls = offers?.streams === false && (mode === undefined || mode === "hold");
    if (client !== undefined && byCalls) return calledProcess(client, id, process, take);
    const { address, dial } = this.guest.streams;
    return streamedProcess(address, { ...id, process, mode, keepBytes }, { ...options, dial }, take);
  }

  #note(change: { readonly paused: boolean }): void {
    const { store, target } = this.guest;
    if (target.guest === undefined) return;
    store.processes.update(target.guest.name, { container: this.id, exec: this.id }, change);
  }
}
