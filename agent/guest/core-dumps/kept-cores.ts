import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  watch,
  writeSync,
} from "node:fs";
import type { Files } from "../../kernel/files.ts";
import type { Fd } from "../../kernel/kernel.ts";
import {
  type CoreFacts,
  type CoreOwner,
  encodeOwner,
  HEADER_BYTES,
  markKilled,
  readFacts,
  readOwner,
} from "./core-file.ts";
import { elfEnd } from "./elf-end.ts";

/** Core dumps that are kept. */
const MAX_CORES = 32;
/** Core dumps of one container that are kept in a minute. */
const MAX_IN_A_MINUTE = 8;
const MINUTE_MS = 60_000;

/** A core dump that the guest keeps. */
export interface KeptCore extends CoreFacts, CoreOwner {
  readonly id: number;
}

interface MeasuredCore {
  readonly core: KeptCore;
  /** Memory that it takes. */
  readonly bytes: number;
}

export interface KeptCoresOptions {
  /** Directory on a tmpfs of its own. The handler puts core dumps below it into `new`. */
  readonly directory: string;
  /** File that outlives the agent, for the number of the last core dump. Not on that tmpfs, which may be full. */
  readonly numberFile: string;
  /** Memory that all kept core dumps may have, in bytes. */
  readonly bytes: number;
  readonly files: Pick<Files, "replace">;
  readonly ownerOf: (facts: CoreFacts) => CoreOwner;
  /** Called once for each core dump that is kept, in the order of their ids. */
  readonly onKept: (core: KeptCore) => void;
  /** Called when a container's core dumps are dropped because there are too many, with the container. */
  readonly onDropped: (container: string) => void;
}

/**
 * The core dumps of this boot. The file system holds all of its state, so a core dump that arrives while no agent runs is
 * kept by the next one.
 */
export class KeptCores {
  readonly #options: KeptCoresOptions;
  readonly #new: string;
  readonly #kept: string;
  /** Times of the last core dumps by container, in ms. */
  readonly #recent = new Map<string, number[]>();
  #last: number;

  constructor(options: KeptCoresOptions) {
    this.#options = options;
    this.#new = `${options.directory}/new`;
    this.#kept = `${options.directory}/kept`;
    for (const path of [this.#new, this.#kept]) mkdirSync(path, { recursive: true, mode: 0o700 });
    // Files without their facts take memory and can't be listed.
    for (const id of this.#ids()) if (this.find(id) === undefined) this.remove(id);
    this.#last = Math.max(lastNumber(options.numberFile), ...this.#ids());
  }

  /**
   * Takes the core dumps that are there, and then each one as it arrives, until the returned function is called. Errors of
   * later ones go to `onError`.
   */
  follow(onError: (error: unknown) => void): () => void {
    const watcher = watch(this.#new, () => {
      try {
        this.takeNew();
      } catch (error) {
        onError(error);
      }
    });
    watcher.on("error", onError);
    this.takeNew();
    return () => watcher.close();
  }

  /** Keeps what the handler has put into `new`, in the order of its arrival: notes its container, gives it a number, reports it. */
  takeNew(): void {
    const found = readdirSync(this.#new, { withFileTypes: true }).map((entry) => {
      const path = `${this.#new}/${entry.name}`;
      return { entry, path, at: statSync(path, { bigint: true, throwIfNoEntry: false })?.ctimeNs ?? 0n };
    });
    for (const { entry, path } of found.sort((a, b) => Number(a.at - b.at))) {
      const core = entry.isFile() ? this.#note(path) : undefined;
      if (core === undefined) rmSync(path, { force: true, recursive: true });
      else {
        // Noted first, so that no later core dump gets the same number.
        this.#options.files.replace(this.#options.numberFile, `${core.id}`);
        this.#last = core.id;
        renameSync(path, this.#path(core.id));
        this.#dropBeyond();
        this.#options.onKept(core);
      }
    }
  }

  /** The kept core dumps by number. */
  list(): readonly KeptCore[] {
    return this.#ids().flatMap((id) => this.find(id)?.core ?? []);
  }

  /** Returns a core dump; undefined if it isn't kept. */
  find(id: number): MeasuredCore | undefined {
    let fd: Fd;
    try {
      fd = this.open(id);
    } catch {
      return undefined;
    }
    try {
      const header = headerOf(fd);
      const [facts, owner] = [readFacts(header), readOwner(header)];
      if (facts === undefined || owner === undefined) return undefined;
      return { core: { id, ...facts, ...owner }, bytes: fstatSync(fd).blocks * 512 };
    } finally {
      closeSync(fd);
    }
  }

  /** Opens the file of a core dump, which begins with HEADER_BYTES. The caller closes it. */
  open(id: number): Fd {
    return openSync(this.#path(id), constants.O_RDONLY | constants.O_NOFOLLOW);
  }

  /** Removes a core dump; a missing one is fine. */
  remove(id: number): void {
    rmSync(this.#path(id), { force: true });
  }

  /** Writes the owner of a new core dump into its file. Returns undefined if it is none, or one too many. */
  #note(path: string): KeptCore | undefined {
    const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      const header = headerOf(fd);
      const read = readFacts(header);
      if (read === undefined) return undefined;
      const isKilled = read.cut === "" && (elfEnd(fd, HEADER_BYTES) ?? 0) > read.size;
      if (isKilled) markKilled(fd);
      const facts = isKilled ? { ...read, cut: "killed" as const } : read;
      const noted = readOwner(header); // by the last agent, which was killed before it gave a number
      const owner = noted ?? this.#options.ownerOf(facts);
      if (noted === undefined) {
        if (this.#isTooMany(owner.container)) return undefined;
        const { at, bytes } = encodeOwner(owner);
        writeSync(fd, bytes, 0, bytes.length, at);
      }
      return { id: this.#last + 1, ...facts, ...owner };
    } finally {
      closeSync(fd);
    }
  }

  #isTooMany(container: string): boolean {
    const now = performance.now();
    for (const [id, times] of this.#recent) if (now - (times.at(-1) ?? 0) > MINUTE_MS) this.#recent.delete(id);
    const times = (this.#recent.get(container) ?? []).filter((time) => now - time <= MINUTE_MS);
    if (times.length >= MAX_IN_A_MINUTE) {
      this.#options.onDropped(container);
      return true;
    }
    this.#recent.set(container, [...times, now]);
    return false;
  }

  /** Drops core dumps until their number and memory are within their bounds. */
  #dropBeyond(): void {
    const cores = this.#ids().flatMap((id) => this.find(id) ?? []);
    this.#dropFrom(cores, MAX_CORES, () => 1);
    this.#dropFrom(cores, this.#options.bytes, ({ bytes }) => bytes);
  }

  /** Drops the oldest one of the container that has the most, but never the newest of all, until there is at most `bound`. */
  #dropFrom(cores: MeasuredCore[], bound: number, amount: (core: MeasuredCore) => number): void {
    const sum = (of: readonly MeasuredCore[]) => of.reduce((total, each) => total + amount(each), 0);
    while (cores.length > 1 && sum(cores) > bound) {
      const older = cores.slice(0, -1);
      const shareOf = (container: string) => sum(cores.filter(({ core }) => core.container === container));
      const most = Math.max(...older.map(({ core }) => shareOf(core.container)));
      const at = older.findIndex(({ core }) => shareOf(core.container) === most);
      for (const { core } of cores.splice(at, 1)) this.remove(core.id);
    }
  }

  #ids(): number[] {
    return readdirSync(this.#kept)
      .map(Number)
      .filter((id) => Number.isSafeInteger(id) && id > 0)
      .sort((a, b) => a - b);
  }

  #path(id: number): string {
    return `${this.#kept}/${id}`;
  }
}

function headerOf(fd: Fd): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  return header.subarray(0, readSync(fd, header, 0, HEADER_BYTES, 0));
}

function lastNumber(path: string): number {
  try {
    const number = Number(readFileSync(path, "utf8"));
    return Number.isSafeInteger(number) && number > 0 ? number : 0;
  } catch {
    return 0;
  }
}
