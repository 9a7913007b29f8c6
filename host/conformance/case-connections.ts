import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Random, randomFrom } from "../../lib/seeded-random.ts";
import { type AgentClient, connect } from "../client/agent-client.ts";
import { dial } from "../client/dial.ts";
import { RpcError } from "../client/rpc-error.ts";
import type { CallRecorder } from "./call-recorder.ts";
import { holds } from "./check.ts";
import { isUnsupported, SkipCase } from "./outcome.ts";
import { quietMethods } from "./quiet-methods.ts";
import type { Session } from "./session.ts";
import { makeDirectory, SHARED } from "./session-containers.ts";

/** Time that a call must stay open to count as waiting. */
const PENDING_MS = 300;

let opened = 0;

/** Parts of a case's context: the recorder of its calls, its first connection, its seed, and the signal of its end. */
export interface CaseParts {
  readonly session: Session;
  readonly client: AgentClient;
  readonly recorder: CallRecorder;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Connections of a case to the agent, unique names, and waiting. Its calls are recorded; its end closes the connections. */
export class CaseConnections implements AsyncDisposable {
  readonly session: Session;
  /** The case's own connection. */
  readonly client: AgentClient;
  /** Repeatable by the run's seed. */
  readonly random: Random;
  /** Aborted at the case's end. */
  readonly signal: AbortSignal;
  readonly #recorder: CallRecorder;
  readonly #prefix: string;
  readonly #clients: AgentClient[];
  readonly #sockets: Duplex[] = [];
  #count = 0;

  constructor({ session, client, recorder, seed, signal }: CaseParts) {
    this.session = session;
    this.client = client;
    this.#clients = [client];
    this.#recorder = recorder;
    this.random = randomFrom(seed);
    this.signal = signal;
    this.#prefix = `${session.id}-${++opened}`;
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

  /** Opens another connection. */
  async connect(): Promise<AgentClient> {
    this.signal.throwIfAborted();
    const client = await connectTo(this.session, this.#recorder);
    this.#clients.push(client);
    return client;
  }

  /** Opens a connection without a protocol on it. */
  async dial(): Promise<Duplex> {
    this.signal.throwIfAborted();
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

  /**
   * Creates a directory that is unique in the guest, below the directory of CopyFile. Its parent comes first, as not every
   * agent creates parents.
   */
  async sharedDirectory(): Promise<string> {
    const path = `${SHARED}/${this.session.id}/${this.fresh()}`;
    for (const directory of [dirname(path), path]) await makeDirectory(this.agent, directory);
    return path;
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

/** Connects as the session does, with recorded calls. */
export async function connectTo(session: Session, recorder: CallRecorder): Promise<AgentClient> {
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
