import { hash } from "node:crypto";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { agentService } from "../../../proto/gen/services.js";
import type { Container } from "../../container/container.ts";
import { processWarnings } from "../../container/process/check-process.ts";
import type { Process } from "../../container/process/process.ts";
import { securityModules } from "../../container/process/security-labels.ts";
import { refuse } from "../../container/refuse.ts";
import type { OutputRequest } from "../../container/resumable/output-request.ts";
import type { ResumableProcess } from "../../container/resumable/resumable-process.ts";
import type { ResumableProcesses } from "../../container/resumable/resumable-processes.ts";
import { AgentError } from "../../kernel/error.ts";
import { firstLines } from "../../kernel/first-lines.ts";
import { checkExecId } from "../../sandbox/container-id.ts";
import { findContainer } from "../find-container.ts";
import { passedOverOfProcess, toProcess, unsupportedOfProcess } from "../oci-process.ts";
import type { Agent } from "../rpc.ts";

/** Names the process that an attachment belongs to. */
type Named = Pick<guestd.v1.Attach, "container_id" | "exec_id">;

/** A process that a client starts, and the client's trace context. */
export type StartedProcess = Pick<guestd.v1.Attach, "container_id" | "exec_id" | "traceparent">;

/** Creates spans of starts. */
export interface StartTrace {
  traceStart<T>(request: StartedProcess, start: () => Promise<T>): Promise<T>;
}

/** A process with the stdio that a client attaches to. */
export type Attached = ResumableProcess;

const NOTHING_TO_OBSERVE = "attach: no client is attached, so no output is kept for observers; attach without observe";
/** How output is kept, by StreamMode. */
const KINDS = ["hold", "hold", "ring", "spool"] as const;
const MAX_SIGNAL = 64;
const MAX_SIZE = 65_535;

/** A start isn't cancelled when its client is gone: the client comes back and attaches. */
const NEVER = new AbortController().signal;

const attachMessage = codec("guestd.v1.Attach", guestd.v1.Attach);

/** Decodes a client's first frame. Throws AgentError. */
export function readAttach(payload: Uint8Array): guestd.v1.Attach {
  try {
    return checked(attachMessage.decode(payload));
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}

function checked(request: guestd.v1.Attach): guestd.v1.Attach {
  const { tail, since, stdout_from, stderr_from, observe, process, mode } = request;
  const starts = [tail, since, stdout_from ?? stderr_from].filter((start) => start !== null);
  if (starts.length > 1) {
    throw new AgentError("invalid-argument", "attach: tail, since and offsets exclude each other; set one of them");
  }
  if (observe && process !== null && KINDS[mode] === "hold") {
    const line = "attach: an observer starts no process that waits for its client; set mode ring or spool";
    throw new AgentError("invalid-argument", line);
  }
  return request;
}

/** Finds the processes that clients attach to, and starts them if a client asks for that. */
export class Attaching {
  readonly agent: Agent;
  readonly #processes: ResumableProcesses;
  readonly #trace: StartTrace | undefined;
  /** Starts in progress, by key. */
  readonly #starting = new Map<string, Promise<ResumableProcess>>();

  /** `trace` is set if calls are traced. */
  constructor(agent: Agent, processes: ResumableProcesses, trace?: StartTrace) {
    this.agent = agent;
    this.#trace = trace;
    this.#processes = processes;
  }

  get epoch(): Uint8Array {
    return this.#processes.epoch;
  }

  /** Resolves with the process of a request. Rejects if the policy denies the request, or any call that it stands for. */
  async find(request: guestd.v1.Attach): Promise<ResumableProcess> {
    if (request.version < 1) throw new AgentError("invalid-argument", "attach: the request has no version; set 1");
    if (request.epoch.length > 0 && !Buffer.from(request.epoch).equals(this.epoch)) {
      const line = "attach: the guest was started again since, so the process and the rest of its output are gone";
      throw new AgentError("not-found", line);
    }
    this.checkPolicy(request);
    const remains = this.#remains(request);
    if (remains !== undefined) return remains;
    const container = findContainer(this.agent, request.container_id, "not-found");
    if (request.process !== null) return this.#start(container, request, request.process);
    const process = container.find(request.exec_id);
    const attached = this.#processes.find(process);
    if (attached !== undefined) return attached;
    if (request.observe) throw new AgentError("failed-precondition", NOTHING_TO_OBSERVE);
    const place = this.#processes.prepare(undefined, outputOf(request));
    return this.#processes.add(place, { container: container.id, process });
  }

  /** Returns the log that a removed container has left, for an observer. */
  #remains({ container_id, exec_id, observe }: guestd.v1.Attach): ResumableProcess | undefined {
    const isFirst = exec_id === "" || exec_id === container_id;
    if (!observe || !isFirst || this.agent.sandbox.find(container_id) !== undefined) return undefined;
    return this.#processes.logs.find(container_id);
  }

  /** Lets go of a process whose end a client has acknowledged. */
  release(process: ResumableProcess): void {
    this.#processes.release(process);
  }

  /** Makes the process wait for its client, or not, as the client wants it, or by default: a log waits. */
  setMode({ mode }: guestd.v1.Attach, process: ResumableProcess): void {
    const { MODE_DEFAULT, MODE_HOLD } = guestd.v1.StreamMode;
    if (mode !== MODE_DEFAULT) process.setHeld(mode === MODE_HOLD);
    else if (process.isLog) process.setHeld(true);
  }

  /** The client detaches for good: a process whose output goes to files waits for it no more. */
  leave(process: ResumableProcess): void {
    if (process.mode.kind !== "hold") process.setHeld(false);
  }

  /** Throws if the policy denies input. */
  checkInput({ container_id, exec_id }: Named, data: Uint8Array): void {
    this.agent.policy.check("WriteStdin", "WriteStreamRequest", { container_id, exec_id, data });
  }

  /** Throws if the policy denies the end of input. */
  checkInputEnd({ container_id, exec_id }: Named): void {
    this.agent.policy.check("CloseStdin", "CloseStdinRequest", { container_id, exec_id });
  }

  /** Sends a signal to the process alone; does nothing if it has ended. */
  async signal({ container_id, exec_id }: Named, { process }: Attached, number: number): Promise<void> {
    if (number < 1 || number > MAX_SIGNAL) {
      throw new AgentError("invalid-argument", `signal: ${number} is no signal (1 to ${MAX_SIGNAL})`);
    }
    this.agent.policy.check("SignalProcess", "SignalProcessRequest", { container_id, exec_id, signal: number });
    if (process.status !== undefined || process.waited) return;
    await findContainer(this.agent, container_id, "not-found").signal(process.execId || container_id, number);
  }

  /** Sets the size of the process's terminal. */
  resize({ container_id, exec_id }: Named, { process }: Attached, size: guestd.v1.Resize): void {
    const { rows: row, columns: column } = size;
    if (row > MAX_SIZE || column > MAX_SIZE) {
      throw new AgentError("invalid-argument", `resize: ${row}x${column} is more than ${MAX_SIZE}`);
    }
    this.agent.policy.check("TtyWinResize", "TtyWinResizeRequest", { container_id, exec_id, row, column });
    if (!process.terminal) throw new AgentError("failed-precondition", "resize: the process has no terminal");
    if (process.status === undefined && !process.waited) process.resize(row, column);
  }

  /** Attach needs the permission for itself and for every call of Kata's contract that it stands for. */
  checkPolicy(request: guestd.v1.Attach): void {
    const { policy } = this.agent;
    const { container_id, exec_id, process } = request;
    const { request: exec } = agentService.ExecProcess;
    const read = { container_id, exec_id, len: 0 };
    policy.check("Attach", "AttachRequest", request);
    if (process !== null) {
      policy.check("ExecProcess", "ExecProcessRequest", exec.decode(exec.encode({ container_id, exec_id, process })));
    }
    policy.check("ReadStdout", "ReadStreamRequest", read);
    policy.check("ReadStderr", "ReadStreamRequest", read);
    policy.check("WaitProcess", "WaitProcessRequest", { container_id, exec_id });
  }

  async #start(container: Container, request: guestd.v1.Attach, message: NonNullable<guestd.v1.Attach["process"]>) {
    const key = keyOf(request);
    const running = this.#starting.get(key.toString("hex"));
    if (running !== undefined) return running;
    const found = this.#started(container, request.exec_id, key);
    if (found !== undefined) return found;
    const launch = () => this.#launch(container, request, message, key);
    const starting = this.#trace === undefined ? launch() : this.#trace.traceStart(request, launch);
    this.#starting.set(key.toString("hex"), starting);
    return starting.finally(() => this.#starting.delete(key.toString("hex")));
  }

  /** Returns the process if it was started before. Throws if another one has its id. */
  #started(container: Container, execId: string, key: Buffer): ResumableProcess | undefined {
    const process = execId === "" ? container.init : container.findExec(execId);
    if (process === undefined) return undefined;
    const attached = this.#processes.find(process);
    if (attached !== undefined && key.equals(this.#processes.keyOf(attached))) return attached;
    if (process.waited) return undefined; // its id is free
    const pending = attached === undefined ? this.#processes.claim(key) : undefined;
    if (pending !== undefined) return this.#processes.add(pending, { container: container.id, process });
    const line = `attach: the exec id ${JSON.stringify(execId)} belongs to another process; choose another id`;
    throw new AgentError("already-exists", line);
  }

  async #launch(
    container: Container,
    request: guestd.v1.Attach,
    message: NonNullable<guestd.v1.Attach["process"]>,
    key: Buffer,
  ): Promise<ResumableProcess> {
    using _inside = this.agent.warmStart.gate.enter("attach");
    const { exec_id: execId } = request;
    const [unsupported] = unsupportedOfProcess(message);
    if (unsupported !== undefined) throw refuse(unsupported, "is not supported");
    checkExecId(execId);
    const spec = toProcess(message);
    const place = this.#processes.prepare(key, outputOf(request));
    let process: Process;
    try {
      process = await this.agent.sandbox.exec({ container, execId, process: spec }, NEVER);
    } catch (error) {
      this.#processes.cancel(place);
      throw error;
    }
    const warnings = [...processWarnings(spec, securityModules(this.agent)), ...passedOverOfProcess(message)];
    for (const line of firstLines(warnings)) this.agent.warn(`attach: ${line}`);
    return this.#processes.add(place, { container: container.id, process });
  }
}

/** How a request wants the output to be kept. Throws if its mode doesn't exist. */
function outputOf({ mode, keep_bytes: keepBytes }: guestd.v1.Attach): OutputRequest {
  const kind = KINDS[mode];
  if (kind !== undefined) return { kind, keepBytes };
  throw new AgentError("invalid-argument", `attach: mode ${mode} doesn't exist; set hold, ring or spool`);
}

/** Hash of everything that decides which process a request means. */
function keyOf({ container_id, exec_id, process }: guestd.v1.Attach): Buffer {
  const { request: exec } = agentService.ExecProcess;
  return hash("sha256", exec.encode({ container_id, exec_id, process }), "buffer");
}
