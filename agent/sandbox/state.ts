import type { HooksSpec } from "../container/hooks/hooks.ts";
import type { Spec } from "../container/spec.ts";
import type { Files } from "../kernel/files.ts";
import type { PlacedStorage } from "../storage/storage.ts";
import type { GuestDevice } from "./guest-rules.ts";
import { isLike } from "./is-like.ts";

/**
 * What of a sandbox outlives its agent, as JSON files below one directory. Processes are kept by init. A record is
 * written before what it tells of is made, so whatever an agent's death cuts off is known to the next one.
 */
export interface SandboxRecord {
  readonly id: string;
  readonly hostname: string;
  /** Mount points that the sandbox itself uses. Those of containers stand in their records. */
  readonly storages: readonly string[];
  /** Of the guest itself, for each container. */
  readonly hooks?: HooksSpec;
}

export interface ContainerRecord {
  readonly id: string;
  readonly spec: Spec;
  readonly cgroup: string;
  /** Mount points that it uses. */
  readonly storages: readonly string[];
  /** PCI addresses in the guest of functions that it was given, by those on the host. */
  readonly pci?: Readonly<Record<string, string>>;
  /** Devices that it has of the guest: rules of an update name them by the host's numbers, or not at all. */
  readonly devices?: readonly GuestDevice[];
  /** Its creation takes several steps and has not ended: the next agent takes it back. */
  readonly creating?: true;
  /** Its processes stand still, not by a pause, while another container is made: the next agent lets them go. */
  readonly held?: boolean;
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
    // What an agent was writing when it was killed.
    for (const name of files.list(`${directory}/containers`).filter((it) => it.endsWith(".tmp"))) {
      files.removeTree(`${directory}/containers/${name}`);
    }
  }

  /** Undefined if there is none, or none that can be read. */
  readSandbox(): SandboxRecord | undefined {
    return this.#read(`${this.#directory}/sandbox.json`, (value) => (isSandbox(value) ? value : undefined));
  }

  writeSandbox(record: SandboxRecord): void {
    this.#files.replace(`${this.#directory}/sandbox.json`, JSON.stringify(record));
  }

  readStorages(): PlacedStorage[] {
    return this.#read(`${this.#directory}/storages.json`, (value) => [value].flat().filter(isStorage)) ?? [];
  }

  /** All that are mounted, or about to be; how often each is used stands in the other records. */
  writeStorages(storages: readonly PlacedStorage[]): void {
    this.#files.replace(`${this.#directory}/storages.json`, JSON.stringify(storages));
  }

  clear(): void {
    this.#files.removeTree(`${this.#directory}/storages.json`);
    this.#files.removeTree(`${this.#directory}/sandbox.json`);
    this.#files.removeTree(`${this.#directory}/containers`);
    this.#files.makeDirectory(`${this.#directory}/containers`, 0o700);
  }

  /** One that can't be understood is left out, so that it keeps no agent from its start. */
  readContainers(): ContainerRecord[] {
    return this.#files
      .list(`${this.#directory}/containers`)
      .filter((name) => name.endsWith(".json"))
      .map((name) => this.#read(`${this.#directory}/containers/${name}`, fromStored))
      .filter((record) => record !== undefined);
  }

  writeContainer(record: ContainerRecord): void {
    this.#files.replace(this.#containerPath(record.id), JSON.stringify(toStored(record)));
  }

  removeContainer(id: string): void {
    this.#files.removeTree(this.#containerPath(id));
  }

  /** Ids are checked before: letters, digits, `_ . -`. */
  #containerPath(id: string): string {
    return `${this.#directory}/containers/${id}.json`;
  }

  /**
   * Reads what an agent before has written, of whatever version; undefined where there is no file, or none of use. A read that
   * fails otherwise (no descriptor, no memory) throws: containers are not lost for a shortage that passes, as the agent ends
   * and the next one reads again. `from` may throw.
   */
  #read<T>(path: string, from: (value: unknown) => T): T | undefined {
    let text: string;
    try {
      text = this.#files.readText(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    try {
      return from(JSON.parse(text));
    } catch {
      return undefined;
    }
  }
}

/** The record in JSON: the limits, which have 64 bits, as text. */
type StoredContainer = ReturnType<typeof toStored>;

function toStored(record: ContainerRecord) {
  const { spec } = record;
  const rlimits = spec.process.rlimits.map(({ type, soft, hard }) => ({
    type,
    soft: String(soft),
    hard: String(hard),
  }));
  return { ...record, spec: { ...spec, process: { ...spec.process, rlimits } } };
}

/** What is read of a record when an agent begins; a version may add to it. */
const SANDBOX = { id: "", hostname: "", storages: [""] };
const STORAGE = { driver: "", source: "", options: [""], mountPoint: "", shared: false };
const CONTAINER = {
  id: "",
  cgroup: "",
  storages: [""],
  spec: { process: { args: [""], rlimits: [{ type: "" }] }, annotations: {}, linux: { namespaces: [{ type: "" }] } },
};

const isSandbox = (value: unknown): value is SandboxRecord => isLike(value, SANDBOX);
const isStorage = (value: unknown): value is PlacedStorage => isLike(value, STORAGE);
const isContainer = (value: unknown): value is StoredContainer => isLike(value, CONTAINER);

function fromStored(stored: unknown): ContainerRecord | undefined {
  if (!isContainer(stored)) return undefined;
  const { spec } = stored;
  const rlimits = spec.process.rlimits.map(({ type, soft, hard }) => ({
    type,
    soft: BigInt(soft),
    hard: BigInt(hard),
  }));
  return { ...stored, spec: { ...spec, process: { ...spec.process, rlimits } } };
}
