import { copyIn } from "../../client/streams/copy-in.ts";
import type { CopyOptions as StreamCopyOptions } from "../../client/streams/copy-options.ts";
import { copyOut } from "../../client/streams/copy-out.ts";
import { forwardDatagrams } from "../../client/streams/local-datagrams.ts";
import { forwardFrom, joinLocal } from "../../client/streams/local-forward.ts";
import { reverseForward } from "../../client/streams/reverse-forward.ts";
import { TOOL_BYTES, TOOL_ENV } from "../../engine/container/files/file-tools.ts";
import type { PlanStep } from "../../engine/container/plan-step.ts";
import type { Container } from "../../engine/container.ts";
import { causeOfDeath, findGuestEnd } from "../../engine/guest/guest-death.ts";
import { waitForPort } from "../../engine/guest/watch-ports.ts";
import type { Guest } from "../../engine/guest.ts";
import type { Process, ProcessStart, TakeOutput } from "../../engine/process.ts";
import type { CallLimits } from "../call/limits.ts";
import { SandboxError } from "../error/sandbox-error.ts";
import { sandboxError, toSandboxError } from "../error/to-sandbox-error.ts";
import { Exec } from "../exec/exec.ts";
import type { CopyOptions, CopyReport, FileDriver } from "../files/file-driver.ts";
import { ToolFiles } from "../files/tool-files.ts";
import { type Forward, type ForwardRequest, placeText } from "../network/forward.ts";
import type { ListenedPort } from "../network/ports.ts";
import type { SandboxEvent } from "../sandbox/sandbox-event.ts";
import type { LogChunk, LogOptions } from "../sandbox/sandbox-log.ts";
import { type SandboxStats, sandboxStats } from "../sandbox/sandbox-stats.ts";
import type { Driver, ProcessJoin } from "./driver.ts";
import { containerLog, guestLogOf } from "./driver-logs.ts";

/** Waiting ends with the caller's limits. */
const MAX_WAIT_MS = 2 ** 31 - 1;

export interface AgentParts {
  readonly container: Container;
  /** Name of the sandbox. */
  readonly name: string;
  /** Aborted if the guest dies. */
  readonly died?: AbortSignal | undefined;
  /** Starts copies of a guest that a process of this user keeps. */
  fork(guest: Guest, count: number, signal: AbortSignal): Promise<readonly (Driver | SandboxError)[]>;
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
        const { address, container } = this.#streams;
        return copyIn(address, local, { container, path }, this.#copyOptions(options, signal));
      },
      download: (path: string, local: string, options: CopyOptions, signal: AbortSignal): Promise<CopyReport> => {
        const { address, container } = this.#streams;
        return copyOut(address, { container, path }, local, this.#copyOptions(options, signal));
      },
    });
  }

  get address(): string {
    return this.#guest.target.address;
  }

  get name(): string {
    return this.#parts.name;
  }

  get container(): string {
    return this.#parts.container.id;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  start(request: ProcessStart, take: TakeOutput): Process {
    return this.#parts.container.start(request, take, this.#client);
  }

  join({ position, takeover }: ProcessJoin, take: TakeOutput): Process {
    const { exec, stdout, stderr, epoch } = position;
    const from = { epoch: Buffer.from(epoch, "base64"), stdout, stderr };
    return this.#parts.container.join({ exec, takeover, from }, take, this.#client);
  }

  async forward({ listen, to, reverse, udp, onError }: ForwardRequest, signal: AbortSignal): Promise<Forward> {
    const { address, container, dial } = this.#streams;
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
    const { ports, truncated } = await this.#guest.ports(this.container, { signal });
    if (truncated) throw sandboxError("limit", `ports: more than the ${ports.length} that the agent lists`);
    return ports.map(({ protocol, address, port }) => ({ protocol, address, port }));
  }

  async waitForPort(port: number, signal: AbortSignal): Promise<void> {
    await waitForPort(this.#guest, { container: this.container, port }, { signal, timeoutMs: MAX_WAIT_MS });
  }

  async *events(
    { from, follow }: { from?: number; follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<SandboxEvent> {
    yield* this.#guest.events({ since: from ?? (follow ? undefined : 1), end: !follow, signal });
  }

  async *logs(options: LogOptions, signal: AbortSignal): AsyncIterable<LogChunk> {
    const { source = "container" } = options;
    const either = AbortSignal.any([signal, this.ended]);
    if (source === "container") return yield* containerLog(this.#streams, options, either);
    const { store, target } = this.#guest;
    if (target.guest === undefined) {
      const lacks = "guest that was created on this machine";
      throw sandboxError("unsupported", `logs of the ${source}: the agent at ${this.address} has no ${lacks}`);
    }
    const { follow = false } = options;
    yield* guestLogOf(store, target.guest, { source, follow }, follow ? either : signal);
  }

  async stats(limits: CallLimits): Promise<SandboxStats> {
    return sandboxStats(await this.#parts.container.stats(limits));
  }

  metrics(limits: CallLimits): Promise<string> {
    return this.#guest.metrics(limits);
  }

  explain(limits: CallLimits): Promise<readonly PlanStep[]> {
    return this.#parts.container.explain(limits);
  }

  async upgrade(bundle: string | undefined): Promise<{ readonly from: string; readonly to: string }> {
    const { before, after, wanted } = await this.#guest.upgrade(bundle);
    if (after.bundle === wanted) return { from: before.version, to: after.version };
    const line = `upgrade: the guest abandoned the bundle: ${after.left_reason}`;
    throw new SandboxError("wrong-state", line, { remedy: "look at the agent's log; the image's own agent runs" });
  }

  async snapshot(name: string, signal: AbortSignal): Promise<void> {
    await this.#guest.snapshot(name, signal);
  }

  setTimeout(ms: number, signal: AbortSignal): Promise<void> {
    return this.#guest.setTimeLimit(ms, signal);
  }

  resize(memoryMib: number, signal: AbortSignal): Promise<void> {
    return this.#guest.resize(memoryMib, signal);
  }

  fork(count: number, signal: AbortSignal): Promise<readonly (Driver | SandboxError)[]> {
    return this.#parts.fork(this.#guest, count, signal);
  }

  pause(limits: CallLimits): Promise<void> {
    return this.#parts.container.pause(limits);
  }

  resume(limits: CallLimits): Promise<void> {
    return this.#parts.container.resume(limits);
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

  get #guest(): Guest {
    return this.#parts.container.guest;
  }

  get #client() {
    return { onDisconnect: () => void this.checkAlive(), signal: this.ended };
  }

  /** Returns where guestd.v1.Streams is, and the container there. */
  get #streams() {
    return { ...this.#guest.streams, container: this.container };
  }

  #copyOptions({ keepOwners, follow, onProgress }: CopyOptions, signal: AbortSignal): StreamCopyOptions {
    const { dial } = this.#guest.streams;
    return { keepOwners, follow, onProgress, signal, dial };
  }

  /** Returns the end of a guest of this user, once that is known. */
  #endOf(): SandboxError | undefined {
    const { store, target } = this.#guest;
    const end = target.guest === undefined ? undefined : findGuestEnd(store, target.guest.name);
    if (end === undefined) return undefined;
    const why = end.message.replace(/; guestctl logs .*$/, "");
    return sandboxError(end.kind ?? "guest-died", `sandbox ${this.container}: ${why}`, end);
  }

  #endWith(error: SandboxError): void {
    if (!this.ended.aborted) this.#ended.abort(error);
  }
}

function forwardOf(port: number, listen: ForwardRequest["listen"], close: () => Promise<void>): Forward {
  return { port, address: placeText({ ...listen, port }), close, [Symbol.asyncDispose]: close };
}
