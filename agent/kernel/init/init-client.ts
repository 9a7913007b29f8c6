import { channel } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { SIGKILL } from "../constants.ts";
import { AgentError, describeErrno, SystemError } from "../error.ts";
import type {
  AdoptedProcess,
  AdoptRequest,
  ExitStatus,
  Fd,
  Init,
  InitGreeting,
  KeptRole,
  LaunchedProcess,
  LaunchRequest,
} from "../kernel.ts";
import type { RealSys } from "../sys/sys.ts";
import type { SocketMessage } from "../sys/sys-descriptors.ts";
import * as codec from "./init-messages.ts";
import type { PlanOp } from "./plan.ts";
import { encodePlan } from "./plan-encode.ts";

/** The part of `openSys()` that the client needs. */
export type InitSys = Pick<
  RealSys,
  "sendMessage" | "receiveMessage" | "memoryFile" | "poll" | "watch" | "close" | "dup" | "signal"
>;

/** Most messages queued for the socket; a longer queue means that init has stopped reading. */
const MAX_QUEUE = 1024;
const ENOMEM = 12;
const EMFILE = 24;
/** Transient errors of sendmsg and recvmsg: out of memory, or too many descriptors in flight on the whole machine. */
const TRANSIENT: readonly string[] = ["ENOMEM", "ENOBUFS", "ETOOMANYREFS"];
/** Delay before a message is retried after such an error. */
const RETRY_MS = 10;

/** Channel of refused requests that have no answer: `{ id, request, errno }`. */
export const initRefusals = channel("guestd.init.refused");

interface Waiting {
  readonly plan: readonly PlanOp[];
  readonly resolve: (process: AdoptedProcess) => void;
  readonly reject: (reason: unknown) => void;
}

type Exits = Map<number, PromiseWithResolvers<ExitStatus>>;

interface Queued {
  readonly bytes: Uint8Array;
  /** Copies owned by the client, closed once sent. */
  readonly fds: readonly Fd[];
}

/** The agent's end of the socket to init. Lives as long as the agent; `close` is for tests. */
export class InitClient implements Init {
  readonly greeting: InitGreeting;
  readonly #sys: InitSys;
  readonly #socket: Fd;
  readonly #buffer: Uint8Array;
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue: Queued[] = [];
  /** Exits of running processes, until they end or are forgotten. */
  readonly #exits: Exits;
  #closed = false;
  /** False if init is older than this agent and doesn't know the heartbeat. */
  #knowsHeartbeat = true;
  /**
   * Resolves when the connection to init is lost. The agent must then exit, so that init starts the next one: without init it
   * can't do anything.
   */
  readonly ended: Promise<AgentError>;
  readonly #end: (reason: AgentError) => void;
  readonly #unwatch: () => void;

  constructor(sys: InitSys, socket: Fd, buffer: Uint8Array, greeting: InitGreeting, exits: Exits) {
    this.#sys = sys;
    this.#exits = exits;
    this.#socket = socket;
    this.#buffer = buffer;
    this.greeting = greeting;
    const ended = Promise.withResolvers<AgentError>();
    this.ended = ended.promise;
    this.#end = ended.resolve;
    this.#unwatch = sys.watch(
      socket,
      () => this.#receive(),
      (error) => this.#lose("init is gone", error),
    );
  }

  async launch(request: LaunchRequest, signal?: AbortSignal): Promise<LaunchedProcess> {
    signal?.throwIfAborted();
    const launched = this.#answered(request, request.plan, () => {
      const { bytes, fds } = codec.encodeLaunch(request);
      const plan = this.#sys.memoryFile("plan", encodePlan(request.plan));
      try {
        this.#send(bytes, [plan, ...fds]);
      } finally {
        this.#sys.close(plan);
      }
    });
    const cancel = () => this.#cancel(request.id, signal?.reason);
    signal?.addEventListener("abort", cancel);
    try {
      return withPidfd(await launched);
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  adopt(request: AdoptRequest): Promise<AdoptedProcess> {
    return this.#answered(request, [], () => {
      const { bytes, fds } = codec.encodeAdopt(request);
      this.#send(bytes, fds);
    });
  }

  closeKept(id: number, role: KeptRole): void {
    this.#send(codec.encodeClose(id, role), []);
  }

  forget(id: number): void {
    this.#exits.delete(id);
    this.#send(codec.encodeForget(id), []);
  }

  deposit(name: string, fd: Fd): void {
    this.#send(codec.encodeName(codec.REQUEST.keep, name), [fd]);
  }

  withdraw(name: string): void {
    this.#send(codec.encodeName(codec.REQUEST.drop, name), []);
  }

  power(action: "off" | "reboot"): void {
    this.#send(codec.encodePower(action), []);
  }

  heartbeat(limitMs: number): void {
    if (this.#knowsHeartbeat) this.#send(codec.encodeHeartbeat(limitMs), []);
  }

  /** Closes the socket; init then ends the process that it takes for the agent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    const reason = new AgentError("canceled", "socket to init: closed");
    this.#end(reason);
    for (const { fds } of this.#queue.splice(0)) for (const fd of fds) this.#sys.close(fd);
    this.#sys.close(this.#socket);
    this.#fail(reason);
  }

  #answered({ id }: { id: number }, plan: readonly PlanOp[], send: () => void): Promise<AdoptedProcess> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.has(id)) {
        throw new AgentError("already-exists", `launch ${id}: a launch with this id is in progress`);
      }
      send();
      this.#waiting.set(id, { plan, resolve, reject });
    });
  }

  /** Stops waiting for a launch: a plan with a `fork` may reach it late or never. */
  #cancel(id: number, reason: unknown): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.reject(reason);
    try {
      this.forget(id);
    } catch {
      // Init isn't reading. If it launches the process anyway, the process is killed once init reports it.
    }
  }

  /** Sends at once if possible, otherwise queues in order. The caller keeps owning its descriptors. */
  #send(bytes: Uint8Array, fds: readonly Fd[]): void {
    if (this.#closed) throw new AgentError("unavailable", "socket to init: already closed");
    if (this.#queue.length === 0 && this.#sendNow(bytes, fds)) return;
    if (this.#queue.length >= MAX_QUEUE) {
      throw new AgentError(
        "resource-exhausted",
        `socket to init: ${MAX_QUEUE} messages are queued; init isn't reading`,
      );
    }
    this.#queue.push({ bytes, fds: this.#copies(fds) });
    if (this.#queue.length === 1) void this.#drain();
  }

  #copies(fds: readonly Fd[]): Fd[] {
    const copies: Fd[] = [];
    try {
      for (const fd of fds) copies.push(this.#sys.dup(fd));
    } catch (error) {
      for (const fd of copies) this.#sys.close(fd);
      throw error;
    }
    return copies;
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        await this.#sys.poll(this.#socket, "write");
        if (this.#closed) return;
        if (!this.#sendNow(next.bytes, next.fds)) {
          await sleep(RETRY_MS);
          continue;
        }
        this.#queue.shift();
        for (const fd of next.fds) this.#sys.close(fd);
      }
    } catch (error) {
      if (!this.#closed) this.#lose("sending failed", error);
    }
  }

  /** Returns false if there is no room now. */
  #sendNow(bytes: Uint8Array, fds: readonly Fd[]): boolean {
    try {
      return this.#sys.sendMessage(this.#socket, bytes, fds);
    } catch (error) {
      if (isTransient(error)) return false;
      throw error;
    }
  }

  /** Receives every message available now; the watch calls again for the rest. An error thrown here ends the watch. */
  #receive(): void {
    for (let more = true; more && !this.#closed; ) {
      const reply = receive(this.#sys, this.#socket, this.#buffer);
      if (reply !== undefined) this.#dispatch(reply);
      more = reply !== undefined;
    }
  }

  #lose(what: string, cause: unknown): void {
    const error = new AgentError("unavailable", `socket to init: ${what}`, { cause });
    this.#unwatch();
    this.#fail(error);
    this.#end(error);
  }

  #dispatch(reply: codec.InitReply): void {
    if (reply.type === "launched") this.#launched(reply);
    else if (reply.type === "exited") {
      this.#exits.get(reply.id)?.resolve(reply.exit);
      this.#exits.delete(reply.id);
    } else if (reply.type === "refused") {
      if (reply.request === codec.REQUEST.heartbeat) this.#knowsHeartbeat = false;
      if (!initRefusals.hasSubscribers) return;
      initRefusals.publish({ id: reply.id, request: reply.request, errno: describeErrno(-reply.error).code });
    }
  }

  #launched(reply: codec.InitReply & { type: "launched" }): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (waiting === undefined) {
      if (reply.error === 0) this.#kill(reply.pid, reply.pidfd);
    } else if (reply.error === 0 && reply.lost) {
      this.#kill(reply.pid, undefined);
      this.forget(reply.id);
      waiting.reject(new SystemError("receive the pidfd of", EMFILE, `process ${reply.pid} from init`));
    } else if (reply.error === 0) {
      const exit = Promise.withResolvers<ExitStatus>();
      this.#exits.set(reply.id, exit);
      waiting.resolve({ id: reply.id, pid: reply.pid, pidfd: reply.pidfd, exit: exit.promise });
    } else waiting.reject(launchRefusal(reply, waiting.plan));
  }

  /** Kills a cancelled process, or by pid one whose pidfd was lost: it was forked a moment ago, so the pid is still its own. */
  #kill(pid: number, pidfd: Fd | undefined): void {
    try {
      if (pidfd === undefined) process.kill(pid, "SIGKILL");
      else this.#sys.signal(pidfd, SIGKILL);
    } catch {
      // It has already ended.
    }
    if (pidfd !== undefined) this.#sys.close(pidfd);
  }

  #fail(error: AgentError): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

/**
 * Reads init's greeting from the socket that this process inherited; `fd` is the value of GUESTD_INIT_FD. Takes ownership of
 * the descriptor. Throws AgentError if init didn't start this process.
 */
export async function openInit(sys: InitSys, fd: string | undefined): Promise<InitClient> {
  const socket = Number(fd);
  if (fd === undefined || !Number.isInteger(socket) || socket < 3) {
    throw new AgentError(
      "failed-precondition",
      `environment GUESTD_INIT_FD=${fd ?? ""}: no socket to init; start the agent by guestd-init`,
    );
  }
  const buffer = new Uint8Array(codec.MAX_INIT_MESSAGE);
  const processes: InitGreeting["processes"][number][] = [];
  const deposits = new Map<string, Fd>();
  const exits: Exits = new Map();
  for (;;) {
    await sys.poll(socket, "read");
    for (let reply = receive(sys, socket, buffer); reply !== undefined; reply = receive(sys, socket, buffer)) {
      if (reply.type === "process") {
        const { type: _, exit: exited, ...process } = reply;
        const exit = Promise.withResolvers<ExitStatus>();
        if (exited === undefined) exits.set(process.id, exit);
        else exit.resolve(exited);
        processes.push({ ...process, exit: exit.promise, ...(exited === undefined ? {} : { exited }) });
      } else if (reply.type === "kept") deposits.set(reply.name, reply.fd);
      else if (reply.type === "ready") {
        const { generation, initStartMicros, agentExecMicros } = reply;
        const greeting = { generation, initStartMicros, agentExecMicros, processes, deposits };
        return new InitClient(sys, socket, buffer, greeting, exits);
      }
    }
  }
}

/**
 * Returns the next message, undefined if there is none yet. Throws at end of file. If this process is out of descriptors,
 * only the launch being answered fails; but an agent can't start without the descriptors of the greeting.
 */
function receive(sys: InitSys, socket: Fd, buffer: Uint8Array): codec.InitReply | undefined {
  let message: SocketMessage | undefined;
  try {
    message = sys.receiveMessage(socket, buffer);
  } catch (error) {
    if (!isTransient(error)) throw error;
  }
  if (message === undefined) return undefined;
  if (message.data.length === 0) throw new AgentError("unavailable", "socket to init: end of file");
  const reply = codec.decodeReply(message.data, message.fds);
  if (!message.lost) return reply;
  if (reply.type !== "launched") throw new SystemError("recvmsg", EMFILE, "of what init kept");
  return { ...reply, lost: true };
}

function withPidfd(process: AdoptedProcess): LaunchedProcess {
  const { pidfd } = process;
  if (pidfd === undefined) throw new AgentError("internal", `message from init: no pidfd for process ${process.pid}`);
  return { ...process, pidfd };
}

const isTransient = (error: unknown): boolean => error instanceof SystemError && TRANSIENT.includes(error.code);

function launchRefusal(reply: { id: number; error: number; where: number; detail: number }, plan: readonly PlanOp[]) {
  const errno = -reply.error;
  if (reply.where === 2) {
    const op = plan[reply.detail];
    return new SystemError("check launch plan", errno, op === undefined ? "" : `operation ${reply.detail} (${op.op})`);
  }
  if (reply.where === 3) return new SystemError("setns", errno, "pid namespace of the launch");
  if (reply.where === 4) {
    const detail = errno === ENOMEM ? "not enough memory, or the target pid namespace has ended" : "";
    return new SystemError("clone3", errno, "into the cgroup of the launch", detail);
  }
  return new SystemError("launch by init", errno, `process ${reply.id}`);
}
