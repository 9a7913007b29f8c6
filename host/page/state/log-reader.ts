import { signal } from "@preact/signals";
import type { LogPart, LogsMessage, OpenLogs } from "../../serve/protocol/logs.ts";
import type { Channel, LiveSocket } from "./live-socket.ts";
import { plainText } from "./plain-text.ts";

/** A line of the list. */
export interface LogLine {
  /** Counts the lines of this reader. */
  readonly number: number;
  readonly kind: "stdout" | "stderr" | "mark";
  readonly container: string;
  readonly time?: number | undefined;
  readonly text: string;
}

/** Lines and characters that are kept; older ones are dropped from the list. */
const MAX_LINES = 20_000;
const MAX_CHARACTERS = 16 << 20;

/** Follows logs. The lines change at most once for each frame of the display. */
export class LogReader {
  readonly lines = signal<readonly LogLine[]>([]);
  /** One line about the state. */
  readonly state = signal("Loading …");
  readonly #channel: Channel;
  #kept: LogLine[] = [];
  #characters = 0;
  #count = 0;
  /** Lines that the server has sent on this connection. */
  #shown = 0;
  #frame = 0;

  constructor(socket: LiveSocket, what: Omit<OpenLogs, "kind">) {
    this.#channel = socket.open<LogsMessage>({
      request: () => {
        this.#kept = [];
        this.#characters = this.#shown = 0;
        return { kind: "logs", ...what };
      },
      message: (message) => this.#receive(message),
      ended: (error) => {
        this.state.value = error ?? "The log has ended.";
      },
    });
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#channel.close();
  }

  #receive(message: LogsMessage): void {
    if ("log" in message) {
      for (const part of message.log) this.#take(part);
    } else if ("isLive" in message) this.state.value = "Following.";
    else {
      const { container, state, reason } = message.source;
      this.#add({ kind: "mark", container, text: `${state}: ${reason}` });
    }
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    let excess = Math.max(0, this.#kept.length - MAX_LINES);
    for (const { text } of this.#kept.slice(0, excess)) this.#characters -= text.length;
    while (this.#characters > MAX_CHARACTERS) this.#characters -= this.#kept[excess++]?.text.length ?? 0;
    this.#kept.splice(0, excess);
    this.lines.value = [...this.#kept];
    this.#channel.send({ shown: this.#shown });
  }

  #take(part: LogPart): void {
    if ("lines" in part) {
      const { container, stream, time, lines } = part;
      this.#shown += lines.length;
      for (const text of lines) {
        this.#add({ kind: stream, container, time, text: plainText(text) });
      }
    } else if ("dropped" in part) {
      const { lines, bytes } = part.dropped;
      this.#add({
        kind: "mark",
        container: "",
        text: `${lines} lines (${bytes} bytes) were dropped: the page was too slow`,
      });
    } else {
      const { from, to, reason } = part.gap;
      this.#add({ kind: "mark", container: part.container, text: `bytes ${from} to ${to} are gone: ${reason}` });
    }
  }

  #add(line: Omit<LogLine, "number">): void {
    this.#characters += line.text.length;
    this.#kept.push({ number: ++this.#count, ...line });
  }
}
