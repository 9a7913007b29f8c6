import { join } from "node:path";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { copyIn } from "../../client/streams/copy-in.ts";
import type { CopyOptions as StreamCopyOptions } from "../../client/streams/copy-options.ts";
import { copyOut } from "../../client/streams/copy-out.ts";
import { readEvents } from "../../client/streams/events.ts";
import { listPorts, waitForPort } from "../../client/streams/list-ports.ts";
import { forwardDatagrams } from "../../client/streams/local-datagrams.ts";
import { forwardFrom, joinLocal } from "../../client/streams/local-forward.ts";
import { reverseForward } from "../../client/streams/reverse-forward.ts";
import { upgradeAgent } from "../../client/upgrade-agent.ts";
import { execSpec } from "../../engine/container/exec-spec.ts";
import { TOOL_BYTES, TOOL_ENV } from "../../engine/container/files/file-tools.ts";
import { causeOfDeath, findGuestEnd } from "../../engine/guest/guest-death.ts";
import { type ContainerTarget, connectTo } from "../../engine/guest/guest-target.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import { hasUsersInside, withUsersOf } from "../../engine/guest/users-in.ts";
import type { StateStore } from "../../engine/record/state-store.ts";
import { askKeeper } from "../../engine/supervisor/ask-keeper.ts";
import { KEEPER_SOCKET } from "../../engine/supervisor/keeper-operations.ts";
import { supervise } from "../../engine/supervisor/supervise.ts";
import { timeIn } from "../../engine/supervisor/time-limit.ts";
import type { CallLimits } from "../call/limits.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import { sandboxError, toSandboxError } from "../error/to-sandbox-error.ts";
import { Exec } from "../exec/exec.ts";
import type { CopyOptions, CopyReport, FileDriver } from "../files/file-driver.ts";
import { ToolFiles } from "../files/tool-files.ts";
import { type Forward, type ForwardRequest, placeText } from "../network/forward.ts";
import type { ListenedPort } from "../network/ports.ts";
import type { PlanStep } from "../sandbox/plan-step.ts";
import type { SandboxEvent } from "../sandbox/sandbox-event.ts";
import type { LogChunk, LogOptions } from "../sandbox/sandbox-log.ts";
import { type SandboxStats, sandboxStats } from "../sandbox/sandbox-stats.ts";
import { calledProcess, streamedProcess } from "./agent-processes.ts";
import type { Driver, DriverProcess, ProcessJoin, ProcessStart, TakeOutput } from "./driver.ts";
import { containerLog, guestLogOf } from "./driver-logs.ts";
import { laterProcess } from "./later-process.ts";

/** Waiting ends with the caller's limits. */
const MAX_WAIT_MS = 2 ** 31 - 1;

export interface AgentParts {
  readonly target: ContainerTarget;
  /** Name of the sandbox. */
  readonly name: string;
  readonly client: AgentClient;
  readonly store: StateStore;
  /** Whether the agent has guestd.v1.Guest, and guestd.v1.Streams. */
  readonly offers: { readonly guest: boolean; readonly streams: boolean };
  /** Aborted if the guest dies. */
  readonly died?: AbortSignal | undefined;
  /** Starts copies of a guest that a process of this user keeps. */
  fork(guest: string, count: number, signal: AbortSignal): Promise<readonly (Driver | SandboxError)[]>;
  stop(limits: CallLimits): Promise<void>;
  /** Releases what `stop` would, without ending the sandbox. */
  close(): Promise<void>;
}

/** A container at an agent: by guestd.v1 where the agent has it, otherwise by Kata's calls. */
export class AgentDriver implements Driver {
  readonly files: FileDriver;
  readonly #parts: AgentParts;
  readonly #ended = new AbortController();
  #end: Promise<void> | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { died } = parts;
    const onDeath = () => {
      const line = `sandbox ${this.container}: ${causeOfDeath(died?.reason)}`;
      this.#endWith(this.#endOf() ?? sandboxError("guest-died", line, died?.reason));
      void this.close().catch(() => undefined);
    };
    died?.addEventListener("abort", onDeath, { once: true });
    const tools = new ToolFiles((argv, stdin, signal) => {
      const what = `${argv[0]} in sandbox ${this.container}`;
      const place = { version: 1, address: this.address, container: this.container, stdout: 0, stderr: 0, tty: false };
      return new Exec({
        what,
        limits: { signal },
        maxOutputBytes: TOOL_BYTES,
        stdin,
        tty: false,
        place,
        ended: this.ended,
        start: (take) => this.start({ argv, env: TOOL_ENV }, take),
        explain: (limits) => this.explain(limits),
      });
    });
    this.files = Object.assign(tools, {
      upload: (local: string, path: string, options: CopyOptions, signal: AbortSignal): Promise<CopyReport> => {
        const { address, container } = this.#streams("files.upload");
        return copyIn(address, local, { container, path }, this.#copyOptions(options, signal));
      },
      download: (path: string, local: string, options: CopyOptions, signal: AbortSignal): Promise<CopyReport> => {
        const { address, container } = this.#streams("files.download");
        return copyOut(address, { container, path }, local, this.#copyOptions(options, signal));
      },
    });
  }

  get address(): string {
    return this.#parts.target.address;
  }

  get name(): string {
    return this.#parts.name;
  }

  get container(): string {
    return this.#parts.target.container;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  start(request: ProcessStart, take: TakeOutput): DriverProcess {
    const exec = randomName("x");
    const { target } = this.#parts;
    const { user } = request;
    if (user === undefined || !hasUsersInside(target, user)) return this.#start(exec, target, request, take);
    const start = async () => {
      await using users = await withUsersOf(target, user);
      return this.#start(exec, users.target, request, take);
    };
    return laterProcess(exec, start());
  }

  #start(exec: string, target: ContainerTarget, request: ProcessStart, take: TakeOutput): DriverProcess {
    const { argv, env, cwd, user, terminal, mode, keepBytes } = request;
    const { client, offers } = this.#parts;
    const process = processOf(target, argv, { env, cwd, user: user || undefined, terminal });
    if (offers.streams) {
      return this.#streamed({ container: target.container, exec, process, mode, keepBytes }, take);
    }
    if (mode !== undefined && mode !== "hold") this.#streams(`exec with mode ${mode}`);
    return calledProcess(client, { container: target.container, exec }, process, take);
  }

  join({ position, takeover }: ProcessJoin, take: TakeOutput): DriverProcess {
    this.#streams("attach");
    const { container, exec, stdout, stderr, epoch } = position;
    const from = { epoch: Buffer.from(epoch, "base64"), stdout, stderr };
    return this.#streamed({ container, exec, takeover, from }, take);
  }

  async forward({ listen, to, reverse, udp, onError }: ForwardRequest, signal: AbortSignal): Promise<Forward> {
    const { address, container, dial } = this.#streams("forward");
    const options = { onError, dial };
    if (reverse) {
      const there = reverseForward(
        address,
        { container, ...listen },
        { ...options, onConnection: joinLocal(to, onError) },
      );
      const stop = () => there.close();
      signal.addEventListener("abort", stop, { once: true });
      const port = await there.listening.finally(() => signal.removeEventListener("abort", stop));
      return forwardOf(port, listen, async () => {
        there.close();
        await there.closed;
      });
    }
    await this.ports(signal); // fails now if the agent or the container doesn't exist
    const local = await (udp ? forwardDatagrams : forwardFrom)(address, listen, { container, ...to }, options).catch(
      (error: Error) => {
        throw toSandboxError(`listen on ${placeText(listen)}`, error);
      },
    );
    if (signal.aborted) await local.close();
    return forwardOf(local.port, listen, () => local.close());
  }

  async ports(signal: AbortSignal): Promise<readonly ListenedPort[]> {
    const { address, container, dial } = this.#streams("ports");
    const { ports, truncated } = await listPorts(address, container, { signal, dial });
    if (truncated) throw sandboxError("limit", `ports: more than the ${ports.length} that the agent lists`);
    return ports.map(({ protocol, address, port }) => ({ protocol, address, port }));
  }

  async waitForPort(port: number, signal: AbortSignal): Promise<void> {
    const { address, container, dial } = this.#streams("waitForPort");
    await waitForPort(address, { container, port }, { signal, timeoutMs: MAX_WAIT_MS, dial });
  }

  async *events(
    { from, follow }: { from?: number; follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<SandboxEvent> {
    const { address, dial } = this.#streams("events");
    const since = from ?? (follow ? undefined : 1);
    const position = since === undefined ? {} : { since };
    yield* readEvents(address, { ...position, end: !follow, signal, dial });
  }

  async *logs(options: LogOptions, signal: AbortSignal): AsyncIterable<LogChunk> {
    const { source = "container" } = options;
    const either = AbortSignal.any([signal, this.ended]);
    if (source === "container") return yield* containerLog(this.#streams("logs"), options, either);
    const { target, store } = this.#parts;
    if (target.guest === undefined)
      throw unsupported(`logs of the ${source}`, this.address, "guest that was created on this machine");
    const { follow = false } = options;
    yield* guestLogOf(store, target.guest, { source, follow }, follow ? either : signal);
  }

  async stats(limits: CallLimits): Promise<SandboxStats> {
    return sandboxStats(await this.#parts.client.agent.statsContainer({ container_id: this.container }, limits));
  }

  async metrics(limits: CallLimits): Promise<string> {
    return (await this.#parts.client.agent.getMetrics({}, limits)).metrics;
  }

  async explain(limits: CallLimits): Promise<readonly PlanStep[]> {
    this.#guest("explain");
    const { steps } = await this.#parts.client.guest.explain({ container_id: this.container }, limits);
    return steps.map(({ operation, object, reason, micros }) => ({
      operation,
      object,
      reason,
      ...(typeof micros === "number" && { micros }),
    }));
  }

  async upgrade(bundle: string | undefined): Promise<{ readonly from: string; readonly to: string }> {
    this.#guest("upgrade");
    const { before, after, wanted } = await upgradeAgent(() => connectTo(this.#parts.target), bundle);
    if (after.bundle === wanted) return { from: before.version, to: after.version };
    const line = `upgrade: the guest abandoned the bundle: ${after.left_reason}`;
    throw new SandboxError("wrong-state", line, { remedy: "look at the agent's log; the image's own agent runs" });
  }

  async snapshot(name: string, signal: AbortSignal): Promise<void> {
    await askKeeper(await this.#keeper("snapshot"), "snapshot", { name }, signal);
  }

  async setTimeout(ms: number, signal: AbortSignal): Promise<void> {
    await askKeeper(await this.#keeper("setTimeout"), "setTimeLimit", { endsAt: timeIn(ms) }, signal);
  }

  async resize(memoryMib: number, signal: AbortSignal): Promise<void> {
    await askKeeper(await this.#keeper("resize"), "resize", { memoryMib }, signal);
  }

  fork(count: number, signal: AbortSignal): Promise<readonly (Driver | SandboxError)[]> {
    return this.#parts.fork(this.#ownGuest("fork"), count, signal);
  }

  async #keeper(call: string) {
    const guest = this.#ownGuest(call);
    await supervise(this.#parts.store);
    return { guest, socket: join(this.#parts.store.directory(guest), KEEPER_SOCKET) };
  }

  #ownGuest(call: string): string {
    const { guest } = this.#parts.target;
    if (guest !== undefined) return guest.name;
    throw sandboxError("unsupported", `${call}: the agent at ${this.address} is in no guest of this user`);
  }

  async pause(limits: CallLimits): Promise<void> {
    await this.#parts.client.agent.pauseContainer({ container_id: this.container }, limits);
    this.#note(true);
  }

  async resume(limits: CallLimits): Promise<void> {
    await this.#parts.client.agent.resumeContainer({ container_id: this.container }, limits);
    this.#note(false);
  }

  async checkAlive(): Promise<void> {
    const end = this.#endOf();
    if (end !== undefined) this.#endWith(end);
  }

  async stop(limits: CallLimits): Promise<void> {
    this.#end ??= this.#stop(limits);
    await this.#end;
  }

  async close(): Promise<void> {
    this.#end ??= this.#parts.close();
    await this.#end;
    this.#endWith(sandboxError("stopped", `sandbox ${this.container}: the connection was closed`));
  }

  async #stop(limits: CallLimits): Promise<void> {
    const isRunning = !this.ended.aborted;
    this.#endWith(sandboxError("stopped", `sandbox ${this.container} was stopped`));
    try {
      if (isRunning) await this.#parts.stop(limits);
    } finally {
      await this.#parts.close();
    }
  }

  #streamed(request: Parameters<typeof streamedProcess>[1], take: TakeOutput): DriverProcess {
    const { address, dial } = streamsPlace(this.#parts.target);
    const onDisconnect = () => void this.checkAlive();
    return streamedProcess(address, request, { onDisconnect, signal: this.ended, dial }, take);
  }

  /** Returns where guestd.v1.Streams is. Throws SandboxError if the agent doesn't have it. */
  #streams(what: string) {
    if (this.#parts.offers.streams) return { ...streamsPlace(this.#parts.target), container: this.container };
    throw unsupported(what, this.address, "guestd.v1.Streams");
  }

  #guest(what: string): void {
    if (!this.#parts.offers.guest) throw unsupported(what, this.address, "guestd.v1.Guest");
  }

  #copyOptions({ keepOwners, follow, onProgress }: CopyOptions, signal: AbortSignal): StreamCopyOptions {
    const { dial } = streamsPlace(this.#parts.target);
    return { keepOwners, follow, onProgress, signal, dial };
  }

  #note(paused: boolean): void {
    const { store, target } = this.#parts;
    if (target.guest === undefined) return;
    store.processes.update(target.guest.name, { container: target.container, exec: target.container }, { paused });
  }

  /** Returns the end of a guest of this user, once that is known. */
  #endOf(): SandboxError | undefined {
    const { store, target } = this.#parts;
    const end = target.guest === undefined ? undefined : findGuestEnd(store, target.guest.name);
    if (end === undefined) return undefined;
    const why = end.message.replace(/; guestctl logs .*$/, "");
    return sandboxError(end.kind ?? "guest-died", `sandbox ${target.container}: ${why}`, end);
  }

  #endWith(error: SandboxError): void {
    if (!this.ended.aborted) this.#ended.abort(error);
  }
}

function processOf(
  target: ContainerTarget,
  argv: readonly string[],
  options: Parameters<typeof execSpec>[2],
): Init<grpc.Process> {
  const process = execSpec(target, argv, options);
  return target.guest === undefined ? { ...process, Rlimits: [] } : process;
}

function forwardOf(port: number, listen: ForwardRequest["listen"], close: () => Promise<void>): Forward {
  return { port, address: placeText({ ...listen, port }), close, [Symbol.asyncDispose]: close };
}

/** Returns the error for what an agent doesn't offer. */
function unsupported(what: string, address: string, lacks: string): SandboxError {
  return sandboxError("unsupported", `${what}: the agent at ${address} has no ${lacks}`);
}

/** Asks which of guestd's services an agent has. */
export async function offersOf(client: AgentClient, limits: CallLimits): Promise<boolean> {
  try {
    await client.guest.running({}, limits);
    return true;
  } catch (error) {
    if (!(error instanceof RpcError) || error.kind === "unavailable" || error.kind === "deadline-exceeded") throw error;
    return error.kind === "permission-denied"; // a policy
  }
}
