import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ExitStatus } from "../../kernel/kernel.ts";
import { SpoolFile } from "./spool-file.ts";
import { SpoolTimes } from "./spool-times.ts";

/** How a container's first process ended, for its log. */
export interface LogEnd {
  readonly container: string;
  readonly terminal: boolean;
  readonly status: ExitStatus;
  /** In ms. */
  readonly removedAt: number;
}

/** The files of spooled outputs, by the place of their process in the ledger, in one directory on tmpfs. */
export class Spools {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  openFile(place: number, stream: 0 | 1): SpoolFile {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    return new SpoolFile(this.#path(place, stream));
  }

  openTimes(place: number, stream: 0 | 1): SpoolTimes {
    return new SpoolTimes(this.#path(place, `${stream}.times`));
  }

  /** Notes how the process of a removed container ended. */
  writeEnd(place: number, end: LogEnd): void {
    writeFileSync(this.#path(place, "end"), JSON.stringify(end), { mode: 0o600 });
  }

  /** Returns undefined if the end wasn't noted completely. */
  readEnd(place: number): LogEnd | undefined {
    try {
      const end: LogEnd = JSON.parse(readFileSync(this.#path(place, "end"), "utf8"));
      return typeof end.container === "string" && Number.isFinite(end.removedAt + end.status.code) ? end : undefined;
    } catch {
      return undefined;
    }
  }

  remove(place: number): void {
    for (const name of ["0", "1", "0.times", "1.times", "end"]) rmSync(this.#path(place, name), { force: true });
  }

  /** Removes the files of places that aren't in use. */
  removeOthers(isKept: (place: number) => boolean): void {
    let names: string[] = [];
    try {
      names = readdirSync(this.#directory);
    } catch {
      // There was never a spool.
    }
    for (const name of names) {
      const place = Number.parseInt(name, 10);
      if (!isKept(place)) this.remove(place);
    }
  }

  #path(place: number, name: string | number): string {
    return `${this.#directory}/${place}.${name}`;
  }
}
