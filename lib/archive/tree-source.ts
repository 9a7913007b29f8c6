import { constants } from "node:fs";
import { yieldToEventLoop } from "../yield-to-event-loop.ts";
import { ArchiveError, archiveError, codeOf } from "./archive-error.ts";
import { ByteBudget } from "./byte-budget.ts";
import { DirectoryNames } from "./directory-names.ts";
import { contentLength, END_MARK, encodeMember, paddingOf } from "./encode-member.ts";
import { FirstNames } from "./first-names.ts";
import { bytesOf, isCopiedXattr, type Member, type Part, shown } from "./member.ts";
import { MAX_PARTS } from "./read-members.ts";
import { TakenFiles } from "./taken-files.ts";
import {
  type Answer,
  isDirectory,
  isLink,
  O_PATH,
  type TakenFile,
  type TreeFiles,
  type TreeStat,
  typeOf,
} from "./tree-files.ts";

const { O_DIRECTORY, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

const PIECE_BYTES = 256 * 1024;
const SMALL = 16 * 1024;
/** Files from this size on are continued in the middle. */
const WORTH_CONTINUING = 64 * 1024;
const MAX_DEPTH = 128;
/** Most bytes of one file's extended attributes: a receiver refuses longer headers. */
const MAX_XATTRS = 256 * 1024;

/** The file or directory to be packed. */
export interface SourceRoot {
  /** Handle of O_PATH, without following a link. The caller closes it. */
  readonly fd: number;
  /** Target if it is a symbolic link. */
  readonly target?: Uint8Array;
  /** First name of every member; one name without slashes, as bytes in latin1. */
  readonly name: string;
}

/** Where an interrupted archive continues. */
export interface Position {
  /** The last complete member; empty at the beginning. */
  readonly after: string;
  /** The next member, as far as the receiver has it. */
  readonly part?: { readonly name: string; readonly bytes: number; readonly version: string } | undefined;
}

export interface SourceOptions {
  readonly files: TreeFiles;
  readonly position?: Position;
  /** Owners as the receiver counts them. */
  readonly mapUid?: (id: number) => number;
  readonly mapGid?: (id: number) => number;
  /** Room for the names that a copy remembers: those of the directories that it is in, and first names of linked files. */
  readonly names?: ByteBudget;
  readonly links?: ByteBudget;
  /** Called before the first byte of each member. */
  readonly onMember?: (member: Member) => void;
}

const KINDS: ReadonlyMap<bigint, string> = new Map([
  [0o010000n, "named pipes"],
  [0o020000n, "devices"],
  [0o060000n, "devices"],
  [0o140000n, "sockets"],
]);

/**
 * Packs a tree as a tar archive, in the order of names, and each directory after everything in it: a receiver can set its
 * mode and times at once, and continue after any member. Never follows a link, whatever other processes do meanwhile.
 */
export class TreeSource {
  readonly #root: SourceRoot;
  readonly #files: TreeFiles;
  readonly #options: SourceOptions;
  readonly #yieldNow = yieldToEventLoop();
  /** For contents of more than `SMALL` bytes. */
  #piece: Buffer | undefined;
  readonly #names: ByteBudget;
  readonly #linked: FirstNames;
  /** Number of things left out, by kind. */
  readonly #leftOut = new Map<string, number>();
  readonly #after: readonly string[] | undefined;

  constructor(root: SourceRoot, options: SourceOptions) {
    const { after = "" } = options.position ?? {};
    this.#root = root;
    this.#files = options.files;
    this.#options = options;
    this.#names = options.names ?? new ByteBudget();
    this.#linked = new FirstNames(options.links ?? new ByteBudget());
    this.#after = after === "" ? undefined : after.split("/");
  }

  /** One line for each kind of thing that was left out so far. */
  get notes(): string[] {
    return Array.from(this.#leftOut, ([what, count]) => `${what}: left out (${count})`);
  }

  /** Yields the archive in chunks, each of which is valid until the next one is requested. Throws ArchiveError. */
  async *archive(): AsyncGenerator<Buffer> {
    using _ = this.#linked;
    const { fd, name, target } = this.#root;
    const stat = await this.#stat(fd, name);
    const kind = KINDS.get(typeOf(stat));
    if (kind !== undefined) {
      throw new ArchiveError(
        "invalid-argument",
        `${shown(name)}: only files, directories and links are copied, not ${kind}`,
      );
    }
    yield* this.#entry(fd, name, stat, target, this.#after?.slice(1));
    yield END_MARK;
  }

  /**
   * Yields one entry, and everything below it. `after` is the part of the position below this entry: undefined if the entry
   * is behind the position, empty if it is the position itself.
   */
  async *#entry(
    fd: number,
    name: string,
    stat: TreeStat,
    target: Uint8Array | undefined,
    after: readonly string[] | undefined,
  ): AsyncGenerator<Buffer> {
    if (isDirectory(stat)) {
      if (after?.length !== 0) yield* this.#directory(fd, name, stat, after);
    } else if (isLink(stat)) {
      if (after === undefined) {
        const member = { ...this.#member(name, "symlink", stat), target: Buffer.from(target ?? "").toString("latin1") };
        yield this.#begin(member);
      }
    } else yield* this.#file(fd, name, stat, after !== undefined);
  }

  async *#directory(path: number, name: string, stat: TreeStat, after: readonly string[] | undefined) {
    if (name.split("/").length > MAX_DEPTH) {
      throw new ArchiveError("resource-exhausted", `${shown(name)}: more than ${MAX_DEPTH} directories deep`);
    }
    const fd = await this.#try(name, () => this.#files.reopen(path, O_RDONLY | O_DIRECTORY));
    try {
      const member = { ...this.#member(name, "directory", stat), xattrs: await this.#xattrs(fd, name) };
      const [next, ...below] = after ?? [];
      using names = await this.#list(fd, name);
      const small = new TakenFiles(this.#files, fd, names.sorted);
      for (const [index, child] of names.sorted.entries()) {
        await this.#yieldNow();
        const taken = next === undefined || child > next ? await small.at(index) : undefined;
        if (taken !== undefined) {
          yield this.#whole(`${name}/${child}`, taken);
          continue;
        }
        const isBefore = next !== undefined && child < next;
        yield* this.#child(fd, name, child, isBefore ? [] : child === next ? below : undefined, isBefore);
      }
      yield this.#begin(member);
    } finally {
      await this.#files.close(fd);
    }
  }

  /** Yields a directory's entry; nothing if it has been removed meanwhile. `silent`: it comes before the position. */
  async *#child(dir: number, above: string, child: string, after: readonly string[] | undefined, silent: boolean) {
    const name = `${above}/${child}`;
    const bytes = bytesOf(child);
    const fd = await this.#open(dir, bytes, name);
    if (fd === undefined) return;
    try {
      const stat = await this.#stat(fd, name);
      const kind = KINDS.get(typeOf(stat));
      if (kind !== undefined) return this.#leaveOut(kind);
      if (isDirectory(stat) && (silent || after?.length === 0)) return await this.#skim(fd, name);
      const target = isLink(stat) ? await this.#target(dir, bytes) : undefined;
      if (target === undefined && isLink(stat)) return;
      yield* this.#entry(fd, name, stat, target, after);
    } finally {
      await this.#files.close(fd);
    }
  }

  /** Walks through a directory before the position, for the names of files that have several. */
  async #skim(path: number, name: string): Promise<void> {
    const fd = await this.#try(name, () => this.#files.reopen(path, O_RDONLY | O_DIRECTORY));
    try {
      using names = await this.#list(fd, name);
      for (const child of names.sorted) {
        await this.#yieldNow();
        for await (const _ of this.#child(fd, name, child, [], true));
      }
    } finally {
      await this.#files.close(fd);
    }
  }

  async #open(dir: number, bytes: Buffer, name: string): Promise<number | undefined> {
    try {
      return await this.#files.openEntry(dir, bytes, O_PATH | O_NOFOLLOW);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EXDEV") this.#leaveOut("mounts of other file systems");
      else if (code !== "ENOENT") throw archiveError(shown(name), error);
      return undefined;
    }
  }

  async #target(dir: number, name: Buffer): Promise<Uint8Array | undefined> {
    try {
      return await this.#files.readLink(dir, name);
    } catch {
      return undefined; // replaced meanwhile
    }
  }

  async #list(fd: number, name: string): Promise<DirectoryNames> {
    try {
      return await DirectoryNames.read(this.#files.names(fd), this.#names, this.#yieldNow);
    } catch (error) {
      if (!(error instanceof ArchiveError)) throw archiveError(shown(name), error);
      throw new ArchiveError(error.kind, `${shown(name)}: ${error.message}`, { cause: error });
    }
  }

  async *#file(path: number, name: string, stat: TreeStat, isDone: boolean): AsyncGenerator<Buffer> {
    const first = stat.nlink > 1n ? this.#linked.of(name, stat) : name;
    if (first === undefined) this.#leaveOut("hard links, copied as files of their own");
    if (isDone) return;
    if (first !== undefined && first !== name) {
      yield this.#begin({ ...this.#member(name, "link", stat), target: first });
      return;
    }
    const fd = await this.#try(name, () => this.#files.reopen(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    try {
      const size = Number(stat.size);
      const version = size < WORTH_CONTINUING ? "" : `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
      const { part } = this.#options.position ?? {};
      const isContinued = part?.name === name && part.version === version && version !== "" && part.bytes <= size;
      const from = isContinued ? part.bytes : 0;
      const isFull = stat.blocks * 512n >= stat.size;
      const parts = isFull ? wholeOf(from, size) : await this.#try(name, () => this.#parts(fd, from, size));
      const member = {
        ...this.#member(name, "file", stat),
        size,
        from,
        version,
        parts,
        xattrs: await this.#xattrs(fd, name),
      };
      yield this.#begin(member);
      for (const { start, end } of parts) yield* this.#content(fd, name, start, end);
      const padding = paddingOf(contentLength(member));
      if (padding.length > 0) yield padding;
    } finally {
      await this.#files.close(fd);
    }
  }

  /** Returns all of a small file. */
  #whole(name: string, { stat, content }: TakenFile): Buffer {
    const size = content.length;
    const header = this.#begin({ ...this.#member(name, "file", stat), size, parts: wholeOf(0, size) });
    return Buffer.concat([header, content, paddingOf(size)]);
  }

  /** Returns the parts of a file that aren't holes; the last of too many is everything behind it. */
  async #parts(fd: number, from: number, size: number): Promise<Part[]> {
    const parts: Part[] = [];
    for (let at = from; at < size; ) {
      const start = (await this.#files.seek(fd, at, "data")) ?? size;
      if (start >= size) break;
      const hole = parts.length === MAX_PARTS - 2 ? size : await this.#files.seek(fd, start, "hole");
      const end = Math.min(hole ?? size, size);
      parts.push({ start, end });
      at = end;
    }
    return parts;
  }

  async *#content(fd: number, name: string, start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; ) {
      const buffer = this.#bufferFor(end - at);
      const bytesRead = await this.#try(name, () => this.#files.read(fd, buffer, at));
      if (bytesRead === 0) {
        throw new ArchiveError("failed-precondition", `${shown(name)}: the file shrank while it was read; copy again`);
      }
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  /** Returns a buffer for up to `length` bytes: the same one again if they are many, as garbage outside of V8's heap is costly. */
  #bufferFor(length: number): Buffer {
    if (length <= SMALL) return Buffer.allocUnsafe(length);
    this.#piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
    return this.#piece.subarray(0, length);
  }

  #begin(member: Member): Buffer {
    this.#options.onMember?.(member);
    return encodeMember(member);
  }

  #member(name: string, type: Member["type"], stat: TreeStat): Member {
    const { mapUid = same, mapGid = same } = this.#options;
    return {
      ...{
        name,
        type,
        mode: Number(stat.mode & 0o7777n),
        uid: mapUid(Number(stat.uid)),
        gid: mapGid(Number(stat.gid)),
      },
      ...{ mtime: stat.mtimeNs, atime: stat.atimeNs, size: 0, target: "", xattrs: new Map(), from: 0, version: "" },
      parts: [],
    };
  }

  async #xattrs(fd: number, name: string): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    let bytes = 0;
    const keys = await this.#try(name, () => this.#files.listXattrs(fd));
    for (const key of keys.filter(isCopiedXattr)) {
      const value = await this.#try(name, () => this.#files.getXattr(fd, key));
      bytes += key.length + (value?.length ?? 0);
      if (value !== undefined && bytes <= MAX_XATTRS) found.set(key, value);
      else if (value !== undefined) this.#leaveOut(`extended attributes over ${MAX_XATTRS} bytes`);
    }
    return found;
  }

  #stat(fd: number, name: string): Promise<TreeStat> {
    return this.#try(name, () => this.#files.stat(fd));
  }

  async #try<T>(name: string, call: () => Answer<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw archiveError(shown(name), error);
    }
  }

  #leaveOut(kind: string): void {
    this.#leftOut.set(kind, (this.#leftOut.get(kind) ?? 0) + 1);
  }
}

const same = (id: number): number => id;

function wholeOf(from: number, size: number): Part[] {
  return size > from ? [{ start: from, end: size }] : [];
}
