import type { RecordedLine } from "./terminal-svg.ts";

/** The pictures' pauses, in seconds: none is longer than the first, and each command is read for the second. */
const [LONGEST_PAUSE, READING] = [1, 1.5];

/** Lines of a terminal at the pace of a picture. */
export class PacedLines {
  readonly lines: RecordedLine[] = [];
  #at = 0;
  #last = 0;

  /** Adds a command that is started at `now`, in seconds. */
  command(text: string, now: number): void {
    if (this.lines.length > 0) this.#at += READING;
    this.#last = now;
    this.lines.push(
      ...`$ ${text}`.split("\n").map((line): RecordedLine => ({ at: this.#at, text: line, kind: "command" })),
    );
  }

  /** Adds lines of its output that arrive at `now`. */
  output(texts: readonly string[], now: number): void {
    this.#at += Math.min(LONGEST_PAUSE, now - this.#last);
    this.#last = now;
    this.lines.push(...texts.map((text): RecordedLine => ({ at: this.#at, text, kind: "output" })));
  }
}
