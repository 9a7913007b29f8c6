import { signal } from "@preact/signals";
import type { Terminal } from "@xterm/xterm";
import type { OpenTerminal, TerminalMessage } from "../../serve/protocol/terminal.ts";
import type { Channel, LiveSocket } from "../state/live-socket.ts";
import { plainText } from "../state/plain-text.ts";
import { swallowPastQueries } from "./answered-queries.ts";
import { PastOutput } from "./past-output.ts";
import { TerminalInput } from "./terminal-input.ts";

/** Output after which the server hears how much was shown. */
const REPORT_BYTES = 32 * 1024;
export interface TerminalState {
  /** One line. */
  readonly text: string;
  readonly role: "none" | "owner" | "observer";
  readonly hasEnded: boolean;
}

type Attached = Extract<TerminalMessage, { readonly attached: unknown }>["attached"];

/** An exec's terminal in the page: output, input and size, over any number of connections to the server. */
export class TerminalSession {
  readonly state = signal<TerminalState>({ text: "Attaching …", role: "none", hasEnded: false });
  readonly #terminal: Terminal;
  readonly #channel: Channel;
  readonly #input: TerminalInput;
  readonly #encoder = new TextEncoder();
  /** Offset after the last byte that has arrived. */
  #position: { readonly epoch: string; offset: number } | undefined;
  #isAttached = false;
  readonly #past = new PastOutput();
  /** Counts of the present connection; bytes of an earlier one don't count. */
  #counts = { received: 0, shown: 0, reported: 0 };

  constructor(
    terminal: Terminal,
    socket: LiveSocket,
    place: Pick<OpenTerminal, "guest" | "container" | "exec" | "command">,
  ) {
    this.#terminal = terminal;
    this.#input = new TerminalInput((bytes) => this.#channel.sendBytes(bytes));
    this.#channel = socket.open<TerminalMessage>({
      request: () => {
        this.#counts = { received: 0, shown: 0, reported: 0 };
        const { cols, rows } = terminal;
        if (this.#position === undefined) return { kind: "terminal", ...place, cols, rows };
        // Without the command: an exec that has ended meanwhile must not start again.
        const { command: _, ...known } = place;
        return { kind: "terminal", ...known, cols, rows, from: { ...this.#position } };
      },
      message: (message) => this.#receive(message),
      bytes: (bytes) => this.#show(bytes),
      lost: () => this.#lost(),
      ended: (error) => {
        if (error !== undefined) this.#set({ text: error, role: "none", hasEnded: true });
        else if (!this.state.value.hasEnded)
          this.#set({ text: "The terminal has ended.", role: "none", hasEnded: true });
      },
    });
    swallowPastQueries(terminal, () => this.#past.isPast);
    terminal.onData((text) => this.#type(this.#encoder.encode(text)));
    terminal.onBinary((text) => this.#type(Uint8Array.from(text, (each) => each.charCodeAt(0))));
    terminal.onResize(() => this.#resize());
  }

  takeOver(): void {
    this.#channel.send({ takeover: true });
  }

  close(): void {
    this.#channel.close();
  }

  #receive(message: TerminalMessage): void {
    if ("attached" in message) this.#attached(message.attached);
    else if ("gap" in message) {
      const { from, to, reason } = message.gap;
      this.#note(`bytes ${from} to ${to} are gone: ${reason}`);
      if (this.#position !== undefined) this.#position.offset = to;
      this.#terminal.write("", () => this.#past.parsed(to));
    } else if ("lost" in message) {
      this.#set({ text: message.lost === null ? this.#roleText() : `Reconnecting: ${message.lost}` });
    } else if ("taken" in message) {
      this.#input.taken(message.taken);
      this.#pump();
      this.#showWaiting();
    } else if ("ended" in message) {
      const { code, signal } = message.ended;
      const why = signal === 0 ? `with exit code ${code}` : `by signal ${signal}`;
      this.#set({ text: `The process has ended ${why}.`, role: "none", hasEnded: true });
    }
  }

  #attached({ from, owner, isTerminal, until }: Attached): void {
    const { epoch, offset } = from;
    const own = this.#position;
    if (own !== undefined && (own.epoch !== epoch || own.offset !== offset)) this.#terminal.write("\x1bc");
    this.#position = { epoch, offset };
    this.#past.begin(until);
    this.#terminal.write("", () => this.#past.parsed(offset));
    this.#terminal.options.convertEol = !isTerminal;
    this.#terminal.options.disableStdin = !owner;
    const was = this.state.value.role;
    this.#set({ role: owner ? "owner" : "observer" });
    this.#set({ text: this.#roleText() });
    if (owner && was !== "owner") this.#resize();
    this.#isAttached = true;
    if (owner) this.#pump();
    else this.#dropInput();
  }

  #show(bytes: Uint8Array): void {
    for (const part of this.#past.split(this.#position?.offset ?? 0, bytes)) this.#write(part);
  }

  #write(bytes: Uint8Array): void {
    const counts = this.#counts;
    counts.received += bytes.length;
    if (this.#position !== undefined) this.#position.offset += bytes.length;
    const end = this.#position?.offset ?? 0;
    this.#terminal.write(bytes, () => {
      this.#past.parsed(end);
      counts.shown += bytes.length;
      if (counts !== this.#counts) return;
      if (counts.shown - counts.reported < REPORT_BYTES && counts.shown < counts.received) return;
      counts.reported = counts.shown;
      this.#channel.send({ shown: counts.shown });
    });
  }

  #type(bytes: Uint8Array): void {
    if (this.state.value.role !== "owner") return;
    this.#input.add(bytes);
    this.#pump();
    this.#showWaiting();
  }

  #resize(): void {
    const { cols, rows } = this.#terminal;
    if (this.state.value.role === "owner") this.#channel.send({ resize: { cols, rows } });
  }

  #lost(): void {
    const { inTransit } = this.#input;
    this.#isAttached = false;
    this.#input.restart();
    if (this.state.value.hasEnded) return;
    this.#set({ text: "Reconnecting to the server …" });
    // Whether the server passed these on isn't known, and what is sent twice would be worse.
    if (inTransit > 0) this.#note(`the connection was lost: up to ${inTransit} bytes of input may be missing`);
  }

  /** Sends input; while the connection is away, it waits. */
  #pump(): void {
    if (this.#isAttached) this.#input.pump();
  }

  #dropInput(): void {
    const { waiting } = this.#input;
    this.#input.clear();
    if (waiting > 0) this.#note(`another page types here now: ${waiting} bytes of input were dropped`);
  }

  #showWaiting(): void {
    if (!this.#isAttached) return;
    const { waiting } = this.#input;
    this.#set({ text: waiting === 0 ? this.#roleText() : `Sending: ${Math.ceil(waiting / 1024)} KiB of input wait` });
  }

  /** Writes one line of the page's own to the terminal. */
  #note(text: string): void {
    this.#terminal.write(`\r\n\x1b[7m[${plainText(text)}]\x1b[0m\r\n`);
  }

  #roleText(): string {
    const { role } = this.state.value;
    return role === "owner" ? "Attached." : "Attached as an observer: only looking.";
  }

  #set(parts: Partial<TerminalState>): void {
    const next = { ...this.state.value, ...parts };
    const { text, role, hasEnded } = this.state.value;
    if (next.text !== text || next.role !== role || next.hasEnded !== hasEnded) this.state.value = next;
  }
}
