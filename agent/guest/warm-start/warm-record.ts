import type { Files } from "../../kernel/files.ts";

/** State of quiescing and resuming, which outlives the agent and is part of a snapshot. */
export interface WarmRecord {
  /** 0 since boot; raised by each Resumed that makes this guest a clone. */
  readonly epoch: number;
  /** Calls that create something are refused until Resumed. */
  readonly quiesced: boolean;
  /** Ids of the containers that Quiesce froze, noted before it froze them. */
  readonly frozen: readonly string[];
  /** A clone's new epoch while its identity is being set. */
  readonly becoming?: number;
  /** Number of the agent that has set the identity of this epoch: a later one has to complete Resumed. */
  readonly setBy?: number;
  /** The last time that a Resumed brought, as text, and when it arrived, in ms of the monotonic clock. */
  readonly clock?: { readonly realtime: string; readonly arrivedMs: number };
}

const FIRST: WarmRecord = { epoch: 0, quiesced: false, frozen: [] };
/** A record that can't be understood: nothing is created before a host has sent Resumed. */
const UNKNOWN: WarmRecord = { epoch: 0, quiesced: true, frozen: [] };

/** The record's file. */
export class WarmStore {
  readonly #files: Pick<Files, "readText" | "replace">;
  readonly #path: string;
  #record: WarmRecord;

  /** Reads the last agent's record. Throws if the file exists and can't be read. */
  constructor(files: Pick<Files, "readText" | "replace">, path: string) {
    this.#files = files;
    this.#path = path;
    this.#record = read(files, path);
  }

  get record(): WarmRecord {
    return this.#record;
  }

  /** Replaces the file, then the record. Throws if the file can't be written; the record is unchanged then. */
  write(record: WarmRecord): void {
    this.#files.replace(this.#path, JSON.stringify(record));
    this.#record = record;
  }
}

function read(files: Pick<Files, "readText">, path: string): WarmRecord {
  let text: string;
  try {
    text = files.readText(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return FIRST;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

function isRecord(value: unknown): value is WarmRecord {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, quiesced, frozen, becoming, setBy, clock } = value as Record<keyof WarmRecord, unknown>;
  const isNumber = (it: unknown) => it === undefined || Number.isSafeInteger(it);
  return (
    Number.isSafeInteger(epoch) &&
    typeof quiesced === "boolean" &&
    Array.isArray(frozen) &&
    frozen.every((id) => typeof id === "string") &&
    isNumber(becoming) &&
    isNumber(setBy) &&
    (clock === undefined || isClock(clock))
  );
}

function isClock(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { realtime, arrivedMs } = value as Record<string, unknown>;
  return typeof realtime === "string" && typeof arrivedMs === "number";
}
