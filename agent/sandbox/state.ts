import type { Spec } from "../container/spec.ts";
import type { Files } from "../kernel/files.ts";
import type { StorageRecord } from "../storage/storages.ts";

/** What of a sandbox outlives its agent, as JSON files below one directory. Processes are kept by init. */
export interface SandboxRecord {
  readonly id: string;
  readonly hostname: string;
  readonly storages: readonly StorageRecord[];
}

export interface ContainerRecord {
  readonly id: string;
  readonly spec: Spec;
  readonly cgroup: string;
  /** Mount points that it uses. */
  readonly storages: readonly string[];
  /** memory.events oom_kill that the host was told of or will be by this agent. */
  readonly oomKills: number;
}

/** The state directory. Each file is replaced whole, so a killed agent leaves the old one or the new one. */
export class StateStore {
  readonly #files: Files;
  readonly #directory: string;

  constructor(files: Files, directory: string) {
    this.#files = files;
    this.#directory = directory;
    files.makeDirectory(`${directory}/containers`, 0o700);
  }

  readSandbox(): SandboxRecord | undefined {
    return this.#read(`${this.#directory}/sandbox.json`);
  }

  writeSandbox(record: SandboxRecord): void {
    this.#files.replace(`${this.#directory}/sandbox.json`, JSON.stringify(record));
  }

  clear(): void {
    this.#files.removeTree(this.#directory);
    this.#files.makeDirectory(`${this.#directory}/containers`, 0o700);
  }

  readContainers(): ContainerRecord[] {
    return this.#files
      .list(`${this.#directory}/containers`)
      .filter((name) => name.endsWith(".json"))
      .map((name) => this.#read<ContainerRecord>(`${this.#directory}/containers/${name}`))
      .filter((record) => record !== undefined);
  }

  writeContainer(record: ContainerRecord): void {
    this.#files.replace(this.#containerPath(record.id), JSON.stringify(record, writeBigint));
  }

  removeContainer(id: string): void {
    this.#files.removeTree(this.#containerPath(id));
  }

  /** Ids are checked before: letters, digits, `_ . -`. */
  #containerPath(id: string): string {
    return `${this.#directory}/containers/${id}.json`;
  }

  #read<T>(path: string): T | undefined {
    return this.#files.exists(path) ? (JSON.parse(this.#files.readText(path), readBigint) as T) : undefined;
  }
}

function writeBigint(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? { bigint: String(value) } : value;
}

function readBigint(_key: string, value: unknown): unknown {
  const big = typeof value === "object" && value !== null && "bigint" in value ? value.bigint : undefined;
  return typeof big === "string" ? BigInt(big) : value;
}
