import { createServer, type Server, type Socket } from "node:net";
import { constants } from "node:os";
import { type Duplex, duplexPair } from "node:stream";
import { join, listenAt } from "../../client/streams/local-forward.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import type { Process, ProcessStart, TakeOutput } from "../../engine/process.ts";
import { TimeLimit, timeIn } from "../../engine/supervisor/time-limit.ts";
import { Handoff } from "../call/handoff.ts";
import type { Driver, ProcessJoin } from "../driver/driver.ts";
import { sandboxError } from "../error/to-sandbox-error.ts";
import { type Forward, type ForwardRequest, placeText } from "../network/forward.ts";
import type { ListenedPort } from "../network/ports.ts";
import type { CreateOptions } from "../sandbox/options.ts";
import type { SandboxEvent } from "../sandbox/sandbox-event.ts";
import type { LogChunk } from "../sandbox/sandbox-log.ts";
import { MockFiles } from "./mock-files.ts";
import { ScriptedProcess } from "./mock-process.ts";
import type { MockScript } from "./mock-script.ts";

const { SIGKILL } = constants.signals;
const POLL_MS = 5;
/** MiB that a guest has unless an option says so, and that it has at least. */
const [MEMORY_MIB, LEAST_MIB] = [512, 128];

type Happened = Omit<Extract<SandboxEvent, { time: Date }>, "number" | "time">;

/** A sandbox that a script plays. */
export class MockDriver implements Driver {
  readonly container: string;
  readonly address: string;
  readonly files = new MockFiles();
  readonly options: CreateOptions;
  /** Memory of its guest in MiB. */
  memoryMib: number;
  readonly #script: MockScript;
  readonly #ended = new AbortController();
  readonly #processes = new Map<string, ScriptedProcess>();
  readonly #events: SandboxEvent[] = [];
  readonly #followers = new Set<Handoff<SandboxEvent>>();
  readonly #listeners = new Set<() => Promise<void>>();
  readonly #limit = new TimeLimit((why) => this.die(`guest: ${why}`));
  #isPaused = false;

  constructor(script: MockScript, options: CreateOptions) {
    const { name = randomName("mock") } = options;
    this.container = name;
    this.address = options.address ?? `unix:///mock/${name}.sock`;
    this.options = options;
    this.memoryMib = options.memoryMib ?? MEMORY_MIB;
    this.#script = script;
    this.#happened({ type: "container-created" });
    this.#happened({ type: "container-started" });
  }

  get name(): string {
    return this.container;
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  start(request: ProcessStart, take: TakeOutput): Process {
    const id = randomName("x");
    const { env, cwd, user } = this.options;
    const own = Object.entries(env ?? {}).map(([key, value]) => `${key}=${value}`);
    const full = { ...request, env: [...own, ...request.env], cwd: request.cwd ?? cwd, user: request.user ?? user };
    const process = new ScriptedProcess(id, full, this.#script.answerTo(this.container, full));
    this.#processes.set(id, process);
    this.#happened({ type: "exec-started", exec: id });
    const ended = ({ exitCode, signal }: { exitCode: number; signal: number }) => {
      this.#happened({ type: "exec-exited", exec: id, code: exitCode, signal });
    };
    process.ended.then(ended, () => undefined);
    return process.attach({ stdout: 0, stderr: 0 }, take);
  }

  join({ position, takeover }: ProcessJoin, take: TakeOutput): Process {
    const process = this.#processes.get(position.exec);
    if (process === undefined || position.container !== this.container) {
      throw sandboxError("not-found", `attach to exec ${position.exec}: there is no such exec`);
    }
    return process.attach(position, take, takeover);
  }

  async forward({ listen, to, reverse, udp, onError }: ForwardRequest): Promise<Forward> {
    if (reverse || udp) throw sandboxError("unsupported", "mock: forward: reverse and udp are not played");
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      socket.on("error", () => undefined);
      const serve = this.#script.servers.get(to.port ?? 0);
      if (serve === undefined) {
        socket.resetAndDestroy();
        onError(sandboxError("refused", `forward to ${placeText(to)}: connection refused`));
        return;
      }
      const [here, there] = duplexPair() as [Duplex, Duplex];
      join(socket, here, onError);
      serve(there);
    });
    await listenAt(server, listen);
    const close = closerOf(server);
    this.#listeners.add(close);
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    return { port, address: placeText({ ...listen, port }), close, [Symbol.asyncDispose]: close };
  }

  async ports(): Promise<readonly ListenedPort[]> {
    return [...this.#script.servers.keys()].map((port) => ({ protocol: "tcp", address: "0.0.0.0", port }));
  }

  async waitForPort(port: number, signal: AbortSignal): Promise<void> {
    while (!this.#script.servers.has(port)) {
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async *events(
    { from, follow }: { from?: number; follow: boolean },
    signal: AbortSignal,
  ): AsyncIterable<SandboxEvent> {
    const first = from ?? (follow ? this.#events.length + 1 : 1);
    const past = this.#events.slice(Math.max(first - 1, 0));
    const live = new Handoff<SandboxEvent>();
    const stop = () => live.end({ error: signal.reason });
    signal.addEventListener("abort", stop, { once: true });
    if (follow) this.#followers.add(live);
    try {
      yield* past;
      if (follow) yield* live.items();
    } finally {
      this.#followers.delete(live);
      signal.removeEventListener("abort", stop);
    }
  }

  async *logs(): AsyncIterable<LogChunk> {
    for (const text of this.#script.logs) yield { stream: "stdout", text, isGap: false };
  }

  stats = async () => this.#script.stats;
  metrics = async () => this.#script.metrics;
  explain = async () => this.#script.plan;
  upgrade = async () => ({ from: "mock", to: "mock" });

  async snapshot(name: string): Promise<void> {
    this.#script.templates.add(name);
  }

  async setTimeout(ms: number): Promise<void> {
    this.#limit.set(timeIn(ms));
  }

  async resize(memoryMib: number): Promise<void> {
    const most = this.options.memoryMib ?? MEMORY_MIB;
    if (memoryMib >= LEAST_MIB && memoryMib <= most) this.memoryMib = memoryMib;
    else
      throw sandboxError(
        "wrong-state",
        `guest ${this.container}: it can have ${LEAST_MIB} to ${most} MiB, not ${memoryMib}`,
      );
  }

  async fork(count: number): Promise<readonly Driver[]> {
    const names = Array.from({ length: count }, () => randomName("mock"));
    const clones = names.map((name) => new MockDriver(this.#script, { ...this.options, name }));
    for (const clone of clones) {
      this.#script.sandboxes.set(clone.name, clone);
      await this.files.copyTo(clone.files);
    }
    return clones;
  }

  async pause(): Promise<void> {
    if (this.#isPaused) throw sandboxError("wrong-state", "the container is paused already");
    this.#isPaused = true;
  }

  async resume(): Promise<void> {
    if (!this.#isPaused) throw sandboxError("wrong-state", "the container is not paused");
    this.#isPaused = false;
  }

  async checkAlive(): Promise<void> {}

  async stop(): Promise<void> {
    this.#end("stopped", `sandbox ${this.container} was stopped`);
    await this.#release();
  }

  /** Ends the sandbox as the death of its guest would. */
  async die(why: string): Promise<void> {
    this.#end("guest-died", `sandbox ${this.container}: ${why}`);
    await this.#release();
  }

  /** A connection to a mock ends without ending it. */
  async close(): Promise<void> {}

  #end(code: "stopped" | "guest-died", line: string): void {
    if (this.ended.aborted) return;
    this.#limit[Symbol.dispose]();
    this.#script.sandboxes.delete(this.container);
    this.#happened({ type: "container-exited", code: 128 + SIGKILL, signal: SIGKILL });
    this.#ended.abort(sandboxError(code, line));
    for (const process of this.#processes.values()) process.kill(SIGKILL);
    for (const follower of this.#followers) follower.end({ error: this.ended.reason });
  }

  async #release(): Promise<void> {
    await Promise.all([...this.#listeners].map((close) => close()));
    await this.files.close();
  }

  #happened(event: Partial<Happened> & Pick<Happened, "type">): void {
    const none = { container: this.container, exec: "", code: 0, signal: 0, generation: 0 };
    const full = { ...none, ...event, number: this.#events.length + 1, time: new Date() };
    this.#events.push(full);
    for (const follower of this.#followers) void follower.put(full);
  }
}

function closerOf(server: Server): () => Promise<void> {
  return async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
}
