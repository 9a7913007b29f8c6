import type { CallLimits } from "../../sdk/call/limits.ts";
import { sandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { ExecOptions } from "../../sdk/exec/exec-options.ts";
import type { Forward } from "../../sdk/network/forward.ts";
import type { Sandbox } from "../../sdk/sandbox/sandbox.ts";
import { SessionCommand } from "./session-command.ts";

const MAX_COMMANDS = 32;
const MAX_FORWARDS = 16;

/** A port of the host that leads into a sandbox. */
export interface SessionForward {
  readonly port: number;
  readonly forward: Forward;
}

/** A sandbox with the commands and forwards that a client has started in it. */
export class SessionSandbox {
  readonly sandbox: Sandbox;
  readonly image: string;
  readonly createdAt = new Date();
  readonly #commands = new Map<string, { readonly line: string; readonly command: SessionCommand }>();
  readonly #forwards = new Map<number, SessionForward>();
  #opening = 0;

  constructor(sandbox: Sandbox, image: string) {
    this.sandbox = sandbox;
    this.image = image;
  }

  get commands(): readonly { readonly line: string; readonly command: SessionCommand }[] {
    return [...this.#commands.values()];
  }

  get forwards(): readonly SessionForward[] {
    return [...this.#forwards.values()];
  }

  /** Starts a command, and resolves once it runs. Rejects with SandboxError. */
  async start(
    words: readonly string[],
    line: string,
    options: ExecOptions & { readonly maxOutputBytes: number },
  ): Promise<SessionCommand> {
    for (const [id, { command }] of this.#commands) {
      if (this.#commands.size < MAX_COMMANDS) break;
      if (!command.isRunning) this.#commands.delete(id);
    }
    if (this.#commands.size >= MAX_COMMANDS) {
      throw sandboxError("limit", `exec in sandbox ${this.sandbox.name}: ${MAX_COMMANDS} commands are running`);
    }
    const { maxOutputBytes, ...rest } = options;
    const exec = this.sandbox.exec(words, rest);
    const command = new SessionCommand(exec, maxOutputBytes);
    this.#commands.set(exec.id, { line, command });
    try {
      await exec.started();
    } catch (error) {
      this.forget(exec.id);
      throw error;
    }
    return command;
  }

  /** Throws SandboxError if there is no such command. */
  command(id: string): SessionCommand {
    const found = this.#commands.get(id)?.command;
    if (found !== undefined) return found;
    throw sandboxError("not-found", `command ${id}: sandbox ${this.sandbox.name} has none, or its end was reported`);
  }

  forget(id: string): void {
    this.#commands.delete(id);
  }

  /** Opens a port of the host, 0 for any, that leads to a port of the sandbox. Rejects with SandboxError. */
  async forward(port: number, hostPort: number, limits: CallLimits): Promise<SessionForward> {
    if (this.#forwards.size + this.#opening >= MAX_FORWARDS) {
      throw sandboxError("limit", `forward in sandbox ${this.sandbox.name}: it has ${MAX_FORWARDS} forwards`);
    }
    this.#opening += 1;
    try {
      const forward = await this.sandbox.forward({ listen: hostPort, to: port, ...limits });
      const opened = { port, forward };
      this.#forwards.set(forward.port, opened);
      return opened;
    } finally {
      this.#opening -= 1;
    }
  }

  /** Closes a forward's port. Rejects with SandboxError if there is none. */
  async closeForward(hostPort: number): Promise<SessionForward> {
    const found = this.#forwards.get(hostPort);
    if (found === undefined) {
      throw sandboxError("not-found", `host port ${hostPort}: no forward into sandbox ${this.sandbox.name}`);
    }
    this.#forwards.delete(hostPort);
    await found.forward.close();
    return found;
  }

  /** Ends everything in it, and the sandbox. */
  async stop(limits: CallLimits = {}): Promise<void> {
    const forwards = [...this.#forwards.values()];
    this.#forwards.clear();
    await Promise.allSettled(forwards.map(({ forward }) => forward.close()));
    await this.sandbox.stop(limits);
  }
}
