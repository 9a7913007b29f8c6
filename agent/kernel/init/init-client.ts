import { channel } from "node:diagnostics_channel";
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
import * as codec from "./init-messages.ts";
import { EMFILE, type InitSocket } from "./init-socket.ts";
import { launchRefusal } from "./launch-refusal.ts";
import type { PlanOp } from "./plan.ts";
import { encodePlan } from "./plan-encode.ts";

/** The part of `openSys()` that the client and its socket need. */
export type InitSys = Pick<
  RealSys,
  "sendMessage" | "receiveMessage" | "memoryFile" | "poll" | "watch" | "close" | "dup" | "signal"
>;

/** Channel of refused requests that have no answer: `{ id, request, errno }`. */
export const initRefusals = channel("guestd.init.refused");

interface Waiting {
  readonly plan: readonly PlanOp[];
  readonly resolve: (process: AdoptedProcess) => void;
  readonly reject: (reason: unknown) => void;
}

type Exits = Map<number, PromiseWithResolvers<ExitStatus>>;

/** Requests to init and their answers. Lives as long as the agent; `close` is for tests. */
export class InitClient implements Init {
  readonly greeting: InitGreeting;
  readonly #sys: InitSys;
  readonly #socket: InitSocket;
  readonly #waiting = new Map<number, Waiting>();
  /** Exits of running processes, until they end or are forgotten. */
  readonly #exits: Exits;
  /** False if init is older than this agent and doesn't know the heartbeat. */
  #knowsHeartbeat = true;
  /**
   * Resolves when the connection to init is lost. The agent must then exit, so that init starts the next one: without init it
   * can't do anything.
   */
  readonly ended: Promise<AgentError>;
  readonly #end: (reason: AgentError) => void;

  constructor(sys: InitSys, socket: InitSocket, greeting: InitGreeting, exits: Exits) {
    this.#sys = sys;
    this.#exits = exits;
    this.#socket = socket;
    this.greeting = greeting;
    const ended = Promise.withResolvers<AgentError>();
    this.ended = ended.promise;
    this.#end = ended.resolve;
    socket.watch(
      (reply) => this.#dispatch(reply),
      (error) => this.#finish(error),
    );
  }

  async launch(request: LaunchRequest, signal?: AbortSignal): Promise<LaunchedProcess> {
    signal?.throwIfAborted();
    const launched = this.#answered(request, request.plan, () => {
      const { bytes, fds } = codec.encodeLaunch(request);
      const plan = this.#sys.memoryFile("plan", encodePlan(request.plan));
      try {
        this.#socket.send(bytes, [plan, ...fds]);
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
      this.#socket.send(bytes, fds);
    });
  }

  closeKept(id: number, role: KeptRole): void {
    this.#socket.send(codec.encodeClose(id, role));
  }

  forget(id: number): void {
    this.#exits.delete(id);
    this.#socket.send(codec.encodeForget(id));
  }

  deposit(name: string, fd: Fd): void {
    this.#socket.send(codec.encodeName(codec.REQUEST.keep, name), [fd]);
  }

  withdraw(name: string): void {
    this.#socket.send(codec.encodeName(codec.REQUEST.drop, name));
  }

  power(action: "off" | "reboot"): void {
    this.#socket.send(codec.encodePower(action));
  }

  heartbeat(limitMs: number): void {
    if (this.#knowsHeartbeat) this.#socket.send(codec.encodeHeartbeat(limitMs));
  }

  /** Closes the socket; init then ends the process that it takes for the agent. */
  close(): void {
    this.#socket.close();
    this.#finish(new AgentError("canceled", "socket to init: closed"));
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

  /** Fails all launches, and resolves `ended` the first time. */
  #finish(error: AgentError): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
    this.#end(error);
  }
}

function withPidfd(process: AdoptedProcess): LaunchedProcess {
  const { pidfd } = process;
  if (pidfd === undefined) throw new AgentError("internal", `message from init: no pidfd for process ${process.pid}`);
  return { ...process, pidfd };
}
