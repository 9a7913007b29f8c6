import { type Attachment, type AttachRequest, attach, type ProcessEnd } from "../../client/streams/attachment.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import { KEPT_BYTES } from "./start-exec.ts";

/** The guest may be without an agent for so long, in ms. */
const GIVE_UP_MS = 300_000;

/** A page's position in the output of stdout. */
export interface TerminalPosition {
  readonly epoch: string;
  readonly offset: number;
}

/** An owner types; a taker-over becomes the owner although another client is; an observer only sees. */
export type Role = "owner" | "taker" | "observer";

export interface TerminalLinkOptions {
  readonly target: ContainerTarget;
  readonly exec: string | undefined;
  readonly role: Role;
  readonly from: TerminalPosition | undefined;
  readonly signal: AbortSignal;
  /** `until` is the offset at which the output ended then. */
  onAttached(position: TerminalPosition, until: number, isTerminal: boolean): void;
  /** Bytes are the caller's until the promise resolves. */
  onData(bytes: Uint8Array): Promise<void>;
  onGap(from: number, to: number, reason: string): void;
  onLost(reason: string | null): void;
}

/** One attachment of a page's terminal. */
export class TerminalLink {
  /** Rejects with RpcError. */
  readonly exit: Promise<ProcessEnd>;
  readonly #attachment: Attachment;
  readonly #announced = Promise.withResolvers<void>();
  readonly #options: TerminalLinkOptions;
  /** Gaps before the first byte. */
  #early: (() => void)[] | undefined = [];
  #isLost = false;

  constructor(options: TerminalLinkOptions) {
    const { target, exec, role, from, signal } = options;
    this.#options = options;
    const { address, dial } = streamsPlace(target);
    const request: AttachRequest = {
      container: target.container,
      exec,
      // The process waits for its owner, whose page gets every byte.
      ...(role === "observer" ? { observe: true } : { mode: "hold", takeover: role === "taker" }),
      ...(from === undefined
        ? { tail: KEPT_BYTES }
        : { from: { epoch: Buffer.from(from.epoch, "hex"), stdout: from.offset } }),
    };
    this.#attachment = attach(address, request, {
      dial,
      giveUpMs: GIVE_UP_MS,
      signal,
      onData: (_, bytes) => this.#take(bytes),
      onGap: (name, start, end, reason) => this.#gap(name, start, end, reason),
      onDisconnect: (reason) => this.#lost(reason),
      onConnect: () => this.#lost(null),
    });
    this.exit = this.#attachment.exit;
    this.exit.catch(() => this.#announced.resolve());
    this.#attachment.attached.then(
      ({ terminal, end }) => this.#announce(end.stdout, terminal),
      () => undefined,
    );
  }

  /** Position after the last byte that was taken; undefined before the first connection. */
  get position(): TerminalPosition | undefined {
    const { position } = this.#attachment;
    return position && { epoch: Buffer.from(position.epoch).toString("hex"), offset: position.stdout };
  }

  /** Resolves once the process has the bytes. Rejects if it won't get them. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#attachment.write(bytes);
  }

  resize(rows: number, cols: number): void {
    this.#attachment.resize(rows, cols);
  }

  /** Leaves the process running; `exit` rejects. */
  close(): void {
    this.#attachment.close();
  }

  #announce(until: number, isTerminal: boolean): void {
    const { position } = this;
    if (position !== undefined) this.#options.onAttached(position, until, isTerminal);
    for (const report of this.#early ?? []) report();
    this.#early = undefined;
    this.#announced.resolve();
  }

  async #take(bytes: Uint8Array): Promise<void> {
    await this.#announced.promise;
    await this.#options.onData(bytes);
  }

  #gap(name: string, from: number, to: number, reason: string): void {
    if (name !== "stdout") return;
    const report = () => this.#options.onGap(from, to, reason);
    if (this.#early === undefined) report();
    else this.#early.push(report);
  }

  #lost(reason: string | null): void {
    if ((reason === null) !== this.#isLost) return;
    this.#isLost = reason !== null;
    this.#options.onLost(reason);
  }
}
