import type { HooksSpec } from "../container/hooks/hooks.ts";
import type { Spec } from "../container/spec.ts";
import type { Files } from "../kernel/files.ts";
import type { PlacedStorage } from "../storage/storage.ts";
import type { GuestDevice } from "./guest-rules.ts";

/**
 * The sandbox as the state files keep it for the next agent: JSON below one directory. Init keeps the processes. A record is written
 * before the things it names are created, so the next agent knows whatever this agent's death interrupts.
 */
export interface SandboxRecord {
  readonly id: string;
  readonly hostname: string;
  /** Mount points that the sandbox itself uses. Containers' mount points are in their own records. */
  readonly storages: readonly string[];
  /** The guest's own hooks, which run for each container. */
  readonly hooks?: HooksSpec | undefined;
}

export interface ContainerRecord {
  readonly id: string;
  readonly spec: Spec;
  readonly cgroup: string;
  /** Mount points that the container uses. */
  readonly storages: readonly string[];
  /** Guest PCI addresses of the container's functions, by their addresses on the host. */
  readonly pci?: Readonly<Record<string, string>>;
  /** The container's devices in the guest. The rules of an update use the host's numbers, or don't mention them. */
  readonly devices?: readonly GuestDevice[];
  /** The creation takes several steps and hasn't ended: the next agent rolls it back. */
  readonly creating?: true;
  /** The processes are frozen (not paused by the host) while another container is created: the next agent thaws them. */
  readonly held?: boolean;
  /** Count of memory.events oom_kill that is reported to the host, or queued by this agent. */
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
    // Left by an agent that was killed while it wrote.
    for (const name of files.list(`${directory}/containers`).filter((it) => it.endsWith(".tmp"))) {
      files.removeTree(`${directory}/containers/${name}`);
    }
  }

  /** Returns undefined if the record doesn't exist or is unusable. */
  readSandbox(): SandboxRecord | undefined {
    return this.#read(`${this.#directory}/sandbox.json`, (value) => (isSandbox(value) ? value : undefined));
  }

  writeSandbox(record: SandboxRecord): void {
    this.#files.replace(`${this.#directory}/sandbox.json`, JSON.stringify(record));
  }

  readStorages(): PlacedStorage[] {
    return this.#read(`${this.#directory}/storages.json`, (value) => [value].flat().filter(isStorage)) ?? [];
  }

  /** Writes all storages that are mounted or about to be. The other records tell how often each is used. */
  writeStorages(storages: readonly PlacedStorage[]): void {
    this.#files.replace(`${this.#directory}/storages.json`, JSON.stringify(storages));
  }

  clear(): void {
    this.#files.removeTree(`${this.#directory}/storages.json`);
    this.#files.removeTree(`${this.#directory}/sandbox.json`);
    this.#files.removeTree(`${this.#directory}/containers`);
    this.#files.makeDirectory(`${this.#directory}/containers`, 0o700);
  }

  /** Returns all usable records; a damaged one is skipped, so it can't keep an agent from starting. */
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
    this.#files.removeTree(this.#stepsPath(id));
  }

  writeStepMicros(id: string, micros: readonly number[]): void {
    this.#files.replace(this.#stepsPath(id), JSON.stringify(micros));
  }

  /** Returns [] if there are none. */
  readStepMicros(id: string): readonly number[] {
    return this.#read(this.#stepsPath(id), (value) => [value].flat().filter((each) => typeof each === "number")) ?? [];
  }

  /** Expects an id that checkContainerId has accepted: letters, digits, `_ . -`. */
  #containerPath(id: string): string {
    return `${this.#directory}/containers/${id}.json`;
  }

  #stepsPath(id: string): string {
    return `${this.#directory}/containers/${id}.steps`;
  }

  /**
   * Reads a file of an earlier agent of any version; undefined if it doesn't exist or is unusable. Any other failure (no descriptor,
   * no memory) throws: the agent ends and the next one reads again, so a passing shortage loses no container. `from` may throw.
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

/** A record as stored in JSON: 64-bit limits are text. */
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

/** The fields that an agent needs at its start; versions may add others. */
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

/**
 * True if a value read from a file has every field of the sample with the same type, to any depth. Every item of a list must be
 * like the only item of the sample's list. Further fields may have any value.
 */
function isLike<Sample>(value: unknown, sample: Sample): value is Sample {
  if (Array.isArray(sample)) return Array.isArray(value) && value.every((item) => isLike(item, sample[0]));
  if (typeof sample !== "object" || sample === null) return typeof value === typeof sample;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(sample).every(([name, field]) => Object.hasOwn(fields, name) && isLike(fields[name], field));
}
