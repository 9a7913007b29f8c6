import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** guestd-runtime's record of a container, in its own JSON file. The agent keeps the rest. */
export interface RuntimeRecord {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  /** Pid of the first process in the caller's pid namespace, which is init's. */
  readonly pid: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export type Status = "creating" | "created" | "running" | "stopped";

/** Record of one container, in a directory. */
export class RuntimeState {
  readonly #directory: string;
  readonly id: string;

  constructor(root: string, id: string) {
    if (!/^[\w.+-]+$/.test(id) || id === "." || id === "..") throw new Error(`container id "${id}" is not valid`);
    this.#directory = join(root, id);
    this.id = id;
  }

  get exists(): boolean {
    return existsSync(this.#directory);
  }

  /** Creates the directory. Throws if a container of that name exists. */
  claim(): void {
    mkdirSync(join(this.#directory, ".."), { recursive: true });
    try {
      mkdirSync(this.#directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new Error(`container ${this.id} already exists`);
    }
  }

  write(record: RuntimeRecord): void {
    const path = join(this.#directory, "record.json");
    writeFileSync(`${path}.new`, JSON.stringify(record));
    renameSync(`${path}.new`, path);
  }

  /** Reads the record. Throws if the container doesn't exist or isn't created yet. */
  read(): RuntimeRecord {
    if (!existsSync(join(this.#directory, "record.json"))) throw new Error(`container ${this.id} does not exist`);
    return JSON.parse(readFileSync(join(this.#directory, "record.json"), "utf8"));
  }

  /**
   * Notes a change of the status. `started` is noted before the call, so that no reader sees "created" for a running
   * process.
   */
  mark(what: "started" | "stopped"): void {
    writeFileSync(join(this.#directory, what), "");
  }

  unmark(what: "started"): void {
    rmSync(join(this.#directory, what), { force: true });
  }

  get status(): Status {
    const has = (name: string) => existsSync(join(this.#directory, name));
    if (!has("record.json")) return "creating";
    if (has("stopped")) return "stopped";
    return has("started") ? "running" : "created";
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
