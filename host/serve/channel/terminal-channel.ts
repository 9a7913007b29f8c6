import { audit } from "../../audit/audit.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { OperationError, oneLine } from "../../operation-error.ts";
import type { CheckedFields } from "../checked-fields.ts";
import { containerOf } from "../find-target.ts";
import { INPUT_WINDOW, TERMINAL_WINDOW } from "../protocol/terminal.ts";
import { NEEDS_ALLOW_EXEC, type ServeContext } from "../serve-context.ts";
import type { Channel, ChannelPort } from "../socket/channel.ts";
import { readTerminal, type TerminalRequest } from "../terminal/read-terminal.ts";
import { startExec } from "../terminal/start-exec.ts";
import { type Role, TerminalLink, type TerminalPosition } from "../terminal/terminal-link.ts";
import { Window } from "../terminal/window.ts";

const MAX_SIZE = 1000;

/** Opens a terminal. Throws OperationError. */
export function openTerminal(fields: CheckedFields, port: ChannelPort, context: ServeContext): Channel {
  return new TerminalChannel(readTerminal(fields, context.allowExec), port, context);
}

/** A process's terminal in a page, which continues over connections, agents and servers. */
class TerminalChannel implements Channel {
  readonly #request: TerminalRequest;
  readonly #port: ChannelPort;
  readonly #context: ServeContext;
  /** Names the terminal in this server. */
  readonly #name: string;
  readonly #closing = new AbortController();
  readonly #window = new Window(TERMINAL_WINDOW);
  #link: TerminalLink | undefined;
  #role: Role = "observer";
  /** The role to attach with next, after the link was closed for it. */
  #next: Role | undefined;
  #size: { readonly cols: number; readonly rows: number };
  #position: TerminalPosition | undefined;
  /** Bytes of input that arrived, and those of them that the process has got. */
  #input = { arrived: 0, taken: 0 };

  constructor(request: TerminalRequest, port: ChannelPort, context: ServeContext) {
    this.#request = request;
    this.#port = port;
    this.#context = context;
    this.#size = { cols: request.cols, rows: request.rows };
    this.#position = request.from;
    this.#name = JSON.stringify([request.guest, request.container, request.exec]);
    this.#run().then(
      () => port.end(),
      (error: unknown) => port.end(this.#closing.signal.aborted ? undefined : oneLine(error)),
    );
  }

  receive(message: CheckedFields): void {
    const size = message.optionalObject("resize");
    if (message.has("shown")) {
      this.#window.show(message.whole("shown", 0, Number.MAX_SAFE_INTEGER));
    } else if (size !== undefined) {
      this.#size = { cols: size.whole("cols", 1, MAX_SIZE), rows: size.whole("rows", 1, MAX_SIZE) };
      if (this.#role !== "observer") this.#link?.resize(this.#size.rows, this.#size.cols);
    } else if (message.flag("takeover")) {
      if (!this.#context.allowExec) throw new OperationError(NEEDS_ALLOW_EXEC);
      if (this.#role === "observer") this.#switch("taker");
    }
  }

  /** Input of an observer is dropped: its page doesn't send any, but may have become one meanwhile. */
  input(bytes: Uint8Array): void {
    this.#input.arrived += bytes.length;
    if (this.#input.arrived - this.#input.taken > INPUT_WINDOW) {
      throw new OperationError(`terminal: more than ${INPUT_WINDOW} bytes of input wait for the process`);
    }
    const taken = () => {
      this.#input.taken += bytes.length;
      this.#port.send({ taken: this.#input.taken });
    };
    if (this.#role === "observer" || this.#link === undefined) taken();
    else this.#link.write(bytes).then(taken, taken);
  }

  close(): void {
    this.#closing.abort();
    this.#window.close();
    this.#context.owners.release(this.#name, this);
  }

  async #run(): Promise<void> {
    const { exec, command, guest, container, mayOwn } = this.#request;
    const { endedExecs, owners, store } = this.#context;
    const ended = endedExecs.get(this.#name);
    if (ended !== undefined) {
      this.#port.send({ ended });
      return;
    }
    const target = containerOf(this.#context, guest, container);
    if (exec !== undefined && command !== undefined) {
      await startExec(target, { exec, command, store }, this.#closing.signal);
    }
    this.#role = mayOwn && exec !== undefined && owners.claim(this.#name, this) ? "owner" : "observer";
    for (;;) {
      const next = await this.#attach();
      if (next === undefined) return;
      this.#role = next;
    }
  }

  /** Serves one attachment; resolves with the role of the next one, undefined at the end of the process. */
  async #attach(): Promise<Role | undefined> {
    const { guest, container, exec, mayOwn } = this.#request;
    const { owners, endedExecs, store, view } = this.#context;
    const role = this.#role;
    const leave = new AbortController();
    const isWaiting = role === "observer" && mayOwn && exec !== undefined;
    const stopWaiting = isWaiting ? owners.onFree(this.#name, () => this.#switch("owner")) : () => undefined;
    const unwatch = view.onChange(() => {
      if (view.target(guest) === undefined) leave.abort(new OperationError(`guest ${guest}: it has ended`));
    });
    const target = containerOf(this.#context, guest, container);
    if (role !== "observer") audit("attach", { ...target, guest: target.guest?.name, exec });
    const link = new TerminalLink({
      target,
      exec,
      role,
      from: this.#position,
      signal: AbortSignal.any([this.#closing.signal, leave.signal]),
      onAttached: (from, until, isTerminal) => {
        this.#port.send({ attached: { exec: exec ?? "", from, until, owner: role !== "observer", isTerminal } });
        this.#link?.resize(this.#size.rows, this.#size.cols);
      },
      onData: (bytes) => this.#send(bytes),
      onGap: (from, to, reason) => this.#port.send({ gap: { from, to, reason } }),
      onLost: (lost) => this.#port.send({ lost }),
    });
    this.#link = link;
    try {
      const { code, signal } = await link.exit;
      if (exec !== undefined) endedExecs.add(this.#name, { code, signal });
      if (exec !== undefined && view.target(guest)?.guest !== undefined)
        store.removeProcess(guest, { container, exec });
      this.#port.send({ ended: { code, signal } });
      return undefined;
    } catch (error) {
      return this.#nextRole(error);
    } finally {
      this.#position = link.position ?? this.#position;
      this.#next = undefined;
      stopWaiting();
      unwatch();
    }
  }

  #nextRole(error: unknown): Role {
    if (this.#next !== undefined && !this.#closing.signal.aborted) {
      const next = this.#next;
      if (next === "taker") this.#context.owners.takeOver(this.#name, this);
      else if (!this.#context.owners.claim(this.#name, this)) return "observer";
      return next;
    }
    const isRefused = error instanceof RpcError && ["failed-precondition", "taken-over"].includes(error.kind);
    if (this.#role === "observer" || !isRefused) throw error;
    this.#context.owners.release(this.#name, this);
    return "observer";
  }

  #switch(role: Role): void {
    this.#next = role;
    this.#link?.close();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    await this.#window.opened();
    await this.#port.drained();
    this.#window.sent(bytes.length);
    this.#port.sendBytes(bytes);
  }
}
