import type { OutputName } from "../../client/streams/position.ts";
import type { CallLimits } from "../../sdk/call/limits.ts";
import { limited } from "../../sdk/call/limits.ts";
import type { SandboxError } from "../../sdk/error/sandbox-error.ts";
import { sandboxError, toSandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { Exec } from "../../sdk/exec/exec.ts";
import { BoundedOutput, type TakenOutput } from "../output/bounded-output.ts";

/** How a command is, and its output since the last look. */
export interface CommandState {
  readonly status: "running" | "exited" | "timed-out";
  /** Set once it has exited. */
  readonly exitCode?: number;
  /** Number of the signal that killed it, or 0. */
  readonly signal?: number;
  readonly stdout: TakenOutput;
  readonly stderr: TakenOutput;
}

/** A command whose output is taken as it comes, so that it never waits for the client. */
export class SessionCommand {
  readonly #exec: Exec;
  readonly #outputs: Readonly<Record<OutputName, BoundedOutput>>;
  #end: { readonly exitCode: number; readonly signal: number } | { readonly error: SandboxError } | undefined;
  #changed = Promise.withResolvers<void>();
  #isWriting = false;

  /** @param maxBytes of each output that one look returns */
  constructor(exec: Exec, maxBytes: number) {
    this.#exec = exec;
    this.#outputs = { stdout: new BoundedOutput(maxBytes), stderr: new BoundedOutput(maxBytes) };
    void this.#drain();
  }

  get id(): string {
    return this.#exec.id;
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  /** Resolves once the command has ended, or with `until` "output" has printed something, or the time is over. */
  async wait(until: "end" | "output", milliseconds: number, signal: AbortSignal): Promise<void> {
    const isDone = () => !this.isRunning || (until === "output" && this.#hasOutput());
    const limit = AbortSignal.any([signal, AbortSignal.timeout(milliseconds)]);
    const over = Promise.withResolvers<void>();
    limit.addEventListener("abort", () => over.resolve(), { once: true });
    while (!isDone() && !limit.aborted) await Promise.race([this.#changed.promise, over.promise]);
    signal.throwIfAborted();
  }

  /** Returns the state with the output since the last call. Throws SandboxError if the command failed. */
  take(): CommandState {
    const end = this.#end;
    if (end !== undefined && "error" in end && end.error.code !== "timeout") throw end.error;
    const isOver = end !== undefined;
    const output = { stdout: this.#outputs.stdout.take(isOver), stderr: this.#outputs.stderr.take(isOver) };
    if (end === undefined) return { status: "running", ...output };
    if ("error" in end) return { status: "timed-out", ...output };
    return { status: "exited", ...end, ...output };
  }

  /** Writes to its input, which `end` closes. Rejects with SandboxError; after a timeout the text is still pending. */
  async write(text: string, end: boolean, limits: CallLimits): Promise<void> {
    const what = `write to command ${this.id}`;
    const { stdin } = this.#exec;
    if (!this.isRunning || stdin.writableEnded) throw sandboxError("wrong-state", `${what}: its input is closed`);
    if (this.#isWriting) throw sandboxError("limit", `${what}: it has not read the text before`);
    await limited(what, limits, async () => {
      this.#isWriting = true;
      try {
        const written = new Promise<void>((resolve, reject) => {
          stdin.write(text, (error) => (error ? reject(error) : resolve()));
        });
        if (end) stdin.end();
        await written;
      } finally {
        this.#isWriting = false;
      }
    });
  }

  /** Sends a signal. Rejects with SandboxError. */
  async kill(signal: NodeJS.Signals, limits: CallLimits): Promise<void> {
    await limited(`kill command ${this.id}`, limits, () => this.#exec.kill(signal));
  }

  async #drain(): Promise<void> {
    try {
      for await (const { stream, data } of this.#exec) {
        this.#outputs[stream].add(data);
        this.#notify();
      }
      this.#end = await this.#exec.wait();
    } catch (error) {
      this.#end = { error: toSandboxError(`command ${this.id}`, error) };
    }
    this.#notify();
  }

  #hasOutput(): boolean {
    return Object.values(this.#outputs).some((output) => !output.isEmpty);
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
