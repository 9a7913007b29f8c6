import { isJsonObject } from "../../../lib/parse-json.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Files } from "../../kernel/files.ts";
import { deathsAfter, MAX_DEATHS } from "../../kernel/journal/deaths.ts";
import { monotonicMs } from "../../kernel/monotonic-ms.ts";

/** Most copies that are remembered, the last ones. */
const MAX_COPIES = 64;

interface Entry {
  /** Place in the copy at which it began. */
  readonly position: string;
  /** Deaths of agents in a row while the copy did not get beyond it. */
  readonly deaths: number;
  /** Monotonic time, ms; null while it has no connection. */
  readonly begunAt: number | null;
}

/** Counts the agents that ended while they made a copy that got no further, in a file that outlives them. */
export class CopyDeaths {
  readonly #path: string;
  readonly #files: Pick<Files, "exists" | "readText" | "replace">;
  /** By copy id, the last begun one last. */
  readonly #copies: Map<string, Entry>;

  /** `startMs` is when this agent started, and so when the previous one had ended. */
  constructor(
    path: string,
    files: Pick<Files, "exists" | "readText" | "replace">,
    startMs = monotonicMs() - performance.now(),
  ) {
    this.#path = path;
    this.#files = files;
    this.#copies = new Map(this.#read().map(([id, entry]) => [id, ended(entry, startMs)]));
  }

  /** Notes that a copy begins. Throws AgentError if agents have ended while they made it from this position on. */
  begin(id: string, position: string, now = monotonicMs()): void {
    const known = this.#copies.get(id);
    const deaths = known?.position === position ? known.deaths : 0;
    if (deaths >= MAX_DEATHS) {
      const line = "copy: agents have ended while they made it, and it got no further; copy its parts one by one";
      throw new AgentError("failed-precondition", line);
    }
    this.#copies.delete(id);
    this.#copies.set(id, { position, deaths, begunAt: now });
    const [oldest] = this.#copies.keys();
    if (this.#copies.size > MAX_COPIES && oldest !== undefined) this.#copies.delete(oldest);
    this.#write();
  }

  /** Notes that a copy's connection has ended. `isOver`: its client does not continue it. */
  end(id: string, isOver: boolean): void {
    const known = this.#copies.get(id);
    if (known === undefined || known.begunAt === null) return;
    if (isOver || known.deaths === 0) this.#copies.delete(id);
    else this.#copies.set(id, { ...known, begunAt: null });
    this.#write();
  }

  #read(): [string, Entry][] {
    try {
      const found: unknown = this.#files.exists(this.#path) ? JSON.parse(this.#files.readText(this.#path)) : {};
      return isJsonObject(found) ? (Object.entries(found) as [string, Entry][]) : [];
    } catch {
      return []; // of an agent that could not write it
    }
  }

  /** Writes what the next agent has to know. If /run is full, it knows nothing, and the copy is made anyway. */
  #write(): void {
    try {
      this.#files.replace(this.#path, JSON.stringify(Object.fromEntries(this.#copies)));
    } catch {
      // as above
    }
  }
}

function ended(entry: Entry, ms: number): Entry {
  const { deaths, begunAt } = entry;
  return begunAt === null ? entry : { ...entry, deaths: deaths + deathsAfter(ms - begunAt), begunAt: null };
}
