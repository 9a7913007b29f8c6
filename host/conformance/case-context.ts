import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { type AgentClient, connect } from "../client/agent-client.ts";
import { dial } from "../client/dial.ts";
import { RpcError } from "../client/rpc-error.ts";
import type { CallRecorder } from "./call-recorder.ts";
import { equal, holds } from "./check.ts";
import { ociProcess, ociSpec, withMounts } from "./oci-spec.ts";
import { isUnsupported, SkipCase } from "./outcome.ts";
import { quietMethods } from "./quiet-methods.ts";
import { randomFrom } from "./random.ts";
import { type Session, SHARED } from "./session.ts";

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** Length of a read, as the Go shim requests it. */
const READ_BYTES = 32_768;
/** Time that a call must stay open to count as waiting. */
const PENDING_MS = 300;

let contexts = 0;

/**
 * Everything that a case does to the agent. Its calls are recorded, and the runner removes the containers that it leaves and
 * closes its connections.
 */
export class CaseContext implements AsyncDisposable {
  readonly session: Session;
  /** The case's own connection. */
  readonly client: AgentClient;
  /** Repeatable by the run's seed. */
  readonly random: () => number;
  /** Aborted at the time limit. */
  readonly signal: AbortSignal;
  readonly #recorder: CallRecorder;
  readonly #prefix: string;
  readonly #clients: AgentClient[];
  readonly #sockets: Duplex[] = [];
  #count = 0;

  private constructor(
    session: Session,
    client: AgentClient,
    recorder: CallRecorder,
    seed: number,
    signal: AbortSignal,
  ) {
    this.session = session;
    this.client = client;
    this.#clients = [client];
    this.#recorder = recorder;
    this.random = randomFrom(seed);
    this.signal = signal;
    this.#prefix = `${session.id}-${++contexts}`;
  }

  static async open(session: Session, recorder: CallRecorder, seed: number, signal: AbortSignal): Promise<CaseContext> {
    const client = await connectTo(session, recorder);
    return quietMethods(new CaseContext(session, client, recorder, seed, signal));
  }

  get agent(): AgentClient["agent"] {
    return this.client.agent;
  }

  get health(): AgentClient["health"] {
    return this.client.health;
  }

  get guest(): AgentClient["guest"] {
    return this.client.guest;
  }

  /** Path in the guest of the root file system with busybox. Writable, and used by all containers. */
  get rootfs(): string {
    return this.session.rootfs;
  }

  /** Opens another connection. */
  async connect(): Promise<AgentClient> {
    const client = await connectTo(this.session, this.#recorder);
    this.#clients.push(client);
    return client;
  }

  /** Opens a connection without a protocol on it. */
  async dial(): Promise<Duplex> {
    const socket = await dial(this.session.agent.address);
    socket.on("error", () => undefined);
    this.#sockets.push(socket);
    return socket;
  }

  /** Ends the case as skipped: a prerequisite is missing that only the case could find out. */
  skip(reason: string): never {
    throw new SkipCase(reason);
  }

  /** Returns an id that is unique in the agent. */
  fresh(): string {
    return `${this.#prefix}-${++this.#count}`;
  }

  /** Returns a path that is unique in the guest, below the directory of CopyFile. */
  sharedPath(): string {
    return `${SHARED}/${this.session.id}/${this.fresh()}`;
  }

  /** Creates a container that runs `args` once it is started. Returns its id. */
  async create(
    args: readonly string[],
    parts: Init<grpc.Spec> = {},
    request: Init<grpc.CreateContainerRequest> = {},
  ): Promise<string> {
    const id = this.fresh();
    const OCI = ociSpec(this.rootfs, args, parts);
    await this.agent.createContainer({ container_id: id, exec_id: id, OCI, ...request });
    return id;
  }

  async start(
    args: readonly string[],
    parts: Init<grpc.Spec> = {},
    request: Init<grpc.CreateContainerRequest> = {},
  ): Promise<string> {
    const id = await this.create(args, parts, request);
    await this.agent.startContainer({ container_id: id });
    return id;
  }

  /** Starts a container that does nothing until it is removed. */
  sleeper(parts: Init<grpc.Spec> = {}): Promise<string> {
    return this.start(["sleep", "1000"], parts);
  }

  /** Runs a container to its end, reads all output and removes it. */
  async run(args: readonly string[], parts: Init<grpc.Spec> = {}): Promise<Output> {
    const id = await this.start(args, parts);
    const output = await this.finish(id);
    await this.agent.removeContainer({ container_id: id });
    return output;
  }

  /** Runs a shell script as a container. Returns its stdout, followed by its stderr. */
  async print(script: string, parts: Init<grpc.Spec> = {}, process: Init<grpc.Process> = {}): Promise<string> {
    const { Process } = ociSpec("", ["sh", "-c", script]);
    const { stdout, stderr } = await this.run([], { Process: { ...Process, ...process }, ...parts });
    return stdout + stderr;
  }

  /** Runs another process in a container. Returns its exec id. */
  async exec(container_id: string, args: readonly string[], parts: Init<grpc.Process> = {}): Promise<string> {
    const exec_id = this.fresh();
    await this.agent.execProcess({ container_id, exec_id, process: ociProcess(args, parts) });
    return exec_id;
  }

  /** Runs a shell script in a container to its end. */
  async execute(container_id: string, script: string, parts: Init<grpc.Process> = {}): Promise<Output> {
    return this.finish(container_id, await this.exec(container_id, ["sh", "-c", script], parts));
  }

  /** Reads both outputs to their end, then waits, as hosts do. */
  async finish(container_id: string, exec_id = container_id, length = READ_BYTES): Promise<Output> {
    const [stdout, stderr] = await Promise.all([
      this.drain("readStdout", container_id, exec_id, length),
      this.drain("readStderr", container_id, exec_id, length),
    ]);
    const { status } = await this.agent.waitProcess({ container_id, exec_id });
    return { stdout: stdout.toString(), stderr: stderr.toString(), status };
  }

  async drain(
    call: "readStdout" | "readStderr",
    container_id: string,
    exec_id = container_id,
    len = READ_BYTES,
  ): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const { data } = await this.agent[call]({ container_id, exec_id, len });
      holds(data.length <= len, `an answer has at most ${len} bytes`, data.length);
      if (data.length === 0) return Buffer.concat(parts);
      parts.push(data);
    }
  }

  /**
   * Reads a terminal's output to its end, which is an empty answer or, as the kernel reports it (EIO), INTERNAL. Both hosts
   * accept both.
   */
  async drainTerminal(container_id: string, exec_id = container_id): Promise<string> {
    for (let seen = ""; ; ) {
      const answer = await this.agent.readStdout({ container_id, exec_id, len: READ_BYTES }).catch((error: unknown) => {
        if (error instanceof RpcError && error.kind === "internal") return { data: new Uint8Array() };
        throw error;
      });
      if (answer.data.length === 0) return seen;
      seen += Buffer.from(answer.data).toString();
    }
  }

  /** Reads stdout until it includes `text`. Returns all that was read; fails at the end of the output. */
  async readUntil(text: string, container_id: string, exec_id = container_id): Promise<string> {
    for (let seen = ""; ; ) {
      const { data } = await this.agent.readStdout({ container_id, exec_id, len: READ_BYTES });
      seen += Buffer.from(data).toString();
      if (seen.includes(text)) return seen;
      holds(data.length > 0, `stdout includes ${JSON.stringify(text)}`, seen);
    }
  }

  async write(text: string, container_id: string, exec_id = container_id): Promise<void> {
    const data = Buffer.from(text);
    const { len } = await this.agent.writeStdin({ container_id, exec_id, data });
    equal(len, data.length, "the number of bytes accepted by WriteStdin");
  }

  kill(container_id: string, signal: number, exec_id = container_id): Promise<unknown> {
    return this.agent.signalProcess({ container_id, exec_id, signal });
  }

  remove(container_id: string): Promise<unknown> {
    return this.agent.removeContainer({ container_id });
  }

  /** Runs a shell script in a container that sees the guest's `directory` at /guest, read-only. Returns its output. */
  lookAt(directory: string, script: string): Promise<string> {
    const bind = { destination: "/guest", source: directory, type: "bind", options: ["rbind", "ro"] };
    return this.print(script, withMounts(bind));
  }

  /** Fails the case if the call is answered within a moment. */
  async stillOpen(call: Promise<unknown>, what: string): Promise<void> {
    const answered = call.then(
      (answer) => ({ answer }),
      (error: Error) => {
        if (isUnsupported(error)) throw error;
        return { answer: error.message };
      },
    );
    const { answer } = await Promise.race([answered, this.pause(PENDING_MS).then(() => ({ answer: undefined }))]);
    holds(answer === undefined, `${what} is not answered yet`, answer);
  }

  /** Waits, at most until the case's time limit. */
  pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.signal });
  }

  /** Tries until the check passes or the case's time limit ends it. Calls that fail end the case at once. */
  async eventually<T>(ask: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await ask();
      if (isDone(value)) return value;
      await this.pause(50);
    }
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

async function connectTo(session: Session, recorder: CallRecorder): Promise<AgentClient> {
  const { agent, protocol } = session;
  try {
    const client = await connect(agent.address, { protocol, wrap: (channel) => recorder.wrap(channel) });
    return {
      ...client,
      agent: quietMethods(client.agent),
      health: quietMethods(client.health),
      guest: quietMethods(client.guest),
    };
  } catch (error) {
    throw new RpcError("unavailable", (error as Error).message, { cause: error });
  }
}
