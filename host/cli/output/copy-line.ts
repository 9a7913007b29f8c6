import { StatusLine } from "./status-line.ts";

const REFRESH_MS = 100;
const BAR = 24;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A terminal's line that shows how far a copy is; with a bar if its size is known. */
export class CopyLine implements Disposable {
  readonly #line: StatusLine;
  readonly #name: string;
  readonly #start = performance.now();
  #shown = Number.NEGATIVE_INFINITY;

  constructor(name: string, output?: NodeJS.WriteStream) {
    this.#line = new StatusLine(output);
    this.#name = name;
  }

  show(bytes: number, members: number, total?: number): void {
    const now = performance.now();
    if (now - this.#shown < REFRESH_MS) return;
    this.#shown = now;
    const rate = `${inUnits((bytes / Math.max(now - this.#start, 1)) * 1000)}/s`;
    const files = members === 1 ? "1 file" : `${members} files`;
    const parts = total ? [bar(bytes / total), `${inUnits(bytes)} of ${inUnits(total)}`] : [inUnits(bytes), files];
    this.#line.show([this.#name, ...parts, rate].join("  "));
  }

  /** Shows that the copy waits for a connection. */
  wait(reason: string): void {
    this.#line.show(`${this.#name}  connecting again: ${reason}`);
  }

  [Symbol.dispose](): void {
    this.#line[Symbol.dispose]();
  }
}

function bar(part: number): string {
  const share = Math.min(Math.max(part, 0), 1);
  const full = Math.round(share * BAR);
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${Math.floor(share * 100)} %`;
}

/** Returns a number of bytes with three digits. */
function inUnits(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const value = bytes / 1024 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${UNITS[power]}`;
}
