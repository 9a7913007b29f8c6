import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** guestd-runtime's record of a container, one JSON file each. The rest is the agent's. */
export interface RuntimeRecord {
  readonly ociVersion: string;
  readonly id: string;
  readonly bundle: string;
  /** The first process's pid in the caller's pid namespace, which is init's. */
  readonly pid: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export type Status = "creating" | "created" | "running" | "stopped";

/** The directory of a container's notes. */
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

  /** Throws when there is one of that name. */
  claim(): void {
    mkdirSync(join(this.#directory, ".."), { recursive: true });
    try {
      mkdirSync(this.#directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new Error(`container ${this.id} exists already`);
    }
  }

  write(record: RuntimeRecord): void {
    const path = join(this.#directory, "record.json");
    writeFileSync(`${path}.new`, JSON.stringify(record));
    renameSync(`${path}.new`, path);
  }

  /** Throws for a container that isn't there or isn't made yet. */
  read(): RuntimeRecord {
    if (!existsSync(join(this.#directory, "record.json"))) throw new Error(`container ${this.id} does not exist`);
    return JSON.parse(readFileSync(join(this.#directory, "record.json"), "utf8"));
  }

  /** `started` comes before the call, so that nobody reads "created" of a process that runs. */
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
