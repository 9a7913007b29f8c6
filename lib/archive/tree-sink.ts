import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writev,
  writevSync,
} from "node:fs";
import { promisify } from "node:util";
import { yieldToEventLoop } from "../yield-to-event-loop.ts";
import { ArchiveError, archiveError, codeOf } from "./archive-error.ts";
import { incompleteName, removeFile, removeIncomplete } from "./incomplete-files.ts";
import { bytesOf, CAPABILITIES, isAcl, type Member, shown, TEMPORARY } from "./member.ts";
import { type ReadMember, readMembers } from "./read-members.ts";
import { O_PATH, pathIn, type TreeSys } from "./tree-sys.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
const writePieces = promisify(writev);

const SMALL = 16 * 1024;
/** Contents are written so many bytes at a time. */
const BATCH_BYTES = 256 * 1024;
const MAX_DEPTH = 128;
const MAX_NAME = 255;
/** Between two reports of the position, in bytes. */
const REPORT_BYTES = 32 * 1024;
const SET_ID = 0o6000;
const IN_ITS_PLACE = "a directory is in its place";

/** Where members go. */
export interface SinkRoot {
  /** An open directory. The caller closes it. */
  readonly dir: number;
  /** Replaces the first name of every member, which is the archive's own. Absent: members keep their whole names. */
  readonly rename?: { readonly from: string; readonly to: string } | undefined;
}

export interface SinkOptions {
  readonly sys: TreeSys;
  /** Names the copy in the temporary names of incomplete files; letters, digits and dashes. */
  readonly id: string;
  /** "keep": those of the archive. "mine": nothing is changed. Or these, for everything. */
  readonly owners: "keep" | "mine" | { readonly uid: number; readonly gid: number };
  /** Keeps set-user-id and set-group-id bits and file capabilities. */
  readonly keepPrivileges: boolean;
  /** Owners as this side counts them. */
  readonly mapUid?: (id: number) => number;
  readonly mapGid?: (id: number) => number;
  /** Everything in the archive before this position is in the tree, a file that is not complete in its temporary one. */
  readonly onTaken?: (position: number) => void;
  /** Called with each member that is complete. */
  readonly onMember?: (member: Member) => void;
  /** Called with a file's member before its first byte, and with its bytes so far. */
  readonly onPart?: (member: Member, bytes: number) => void;
}

interface OpenDirectory {
  readonly name: string;
  readonly fd: number;
}

interface IncompleteFile {
  readonly dir: number;
  readonly name: Buffer;
}

/**
 * Writes the members of an archive below one directory, whatever the archive contains. Resolves names one by one through
 * descriptors and follows no link, so nothing outside is reached, even if other processes change the tree meanwhile. A
 * file gets its name when it is complete. What is complete needs no further step: any member may be the last.
 */
export class TreeSink {
  readonly #root: SinkRoot;
  readonly #options: SinkOptions;
  readonly #yieldNow = yieldToEventLoop();
  readonly #leftOut = new Map<string, number>();
  /** The directories from the root to that of the last member, open. */
  #open: OpenDirectory[] = [];
  /** The file that is being written; its directory is one of the open ones. */
  #writing: IncompleteFile | undefined;
  /** A file that an interrupted archive has left; its directory is open on its own. */
  #partial: IncompleteFile | undefined;
  #reported = 0;

  constructor(root: SinkRoot, options: SinkOptions) {
    this.#root = root;
    this.#options = options;
  }

  /** One line for each kind of thing that was left out so far. */
  get notes(): string[] {
    return Array.from(this.#leftOut, ([what, count]) => `${what}: left out (${count})`);
  }

  /** Resolves with the bytes that an interrupted archive has left of a member. Removes what is left of others beside it. */
  async partialBytes(part: Pick<Member, "name" | "version">): Promise<number> {
    try {
      const parts = this.#partsOf(part.name);
      const dir = this.#directory(parts.slice(0, -1), false);
      const name = incompleteName(this.#options.id, part);
      await removeIncomplete(dir, this.#options.id, name);
      const stat = lstatSync(pathIn(dir, name));
      if (!stat.isFile() || stat.nlink !== 1) return 0;
      this.#partial = { dir: keepOpen(dir), name };
      return stat.size;
    } catch {
      return 0;
    }
  }

  /**
   * Extracts an archive. Throws ArchiveError and removes the file that isn't complete; or the source's own error and leaves
   * it, so that another archive can continue it.
   */
  async extract(source: AsyncIterable<Uint8Array>): Promise<void> {
    let sourceError: unknown;
    this.#reported = 0;
    const watched = watch(source, (error) => {
      sourceError = error;
    });
    try {
      for await (const read of readMembers(watched, (kind) => this.#leaveOut(kind))) {
        await this.#yieldNow();
        await this.#take(read);
        this.#options.onMember?.(read.member);
        this.#report(read.end, isContinuable(read.member));
      }
    } catch (error) {
      if (this.#writing !== undefined) {
        this.#release();
        this.#partial = { dir: keepOpen(this.#writing.dir), name: this.#writing.name };
        this.#writing = undefined;
      }
      if (sourceError === undefined) this.discard();
      throw sourceError ?? error;
    }
  }

  /** Removes the file that isn't complete. */
  discard(): void {
    if (this.#partial === undefined) return;
    try {
      unlinkSync(pathIn(this.#partial.dir, this.#partial.name));
    } catch {
      // It is gone, or can't be removed.
    }
    this.#release();
  }

  /** Leaves the file that isn't complete to another sink of the same copy if it is a part of this member; else removes it. */
  leaveTo(part: Pick<Member, "name" | "version"> | null): void {
    if (part && this.#partial?.name.equals(incompleteName(this.#options.id, part))) this.#release();
    else this.discard();
  }

  #release(): void {
    if (this.#partial !== undefined) closeSync(this.#partial.dir);
    this.#partial = undefined;
  }

  /** Closes what is open; an incomplete file stays until `discard`. */
  close(): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd);
  }

  async #take({ member, content, start }: ReadMember): Promise<void> {
    const parts = this.#partsOf(member.name);
    const what = shown(member.name);
    try {
      if (member.type === "directory") return this.#putDirectory(parts, member);
      const name = bytesOf(parts.at(-1) ?? "");
      if (parts.length === 0)
        throw new ArchiveError("invalid-argument", "it would replace the directory that is copied to");
      const dir = this.#directory(parts.slice(0, -1), true);
      if (member.size > SMALL) this.#refuseDirectory(dir, name);
      if (member.type === "file") await this.#putFile(dir, name, member, content, start);
      else if (member.type === "symlink") this.#putLink(dir, name, member);
      else this.#putHardLink(dir, name, member);
    } catch (error) {
      if (error instanceof ArchiveError) {
        const message = error.message.startsWith(what) ? error.message : `${what}: ${error.message}`;
        throw new ArchiveError(error.kind, message, { cause: error });
      }
      if (codeOf(error) === "EISDIR")
        throw new ArchiveError("already-exists", `${what}: ${IN_ITS_PLACE}`, { cause: error });
      throw archiveError(what, error);
    }
  }

  /** Returns a member's names below the root. Throws if they could lead out of it. */
  #partsOf(name: string): string[] {
    const refuse = (why: string) => new ArchiveError("invalid-argument", `${shown(name)}: its name ${why}`);
    if (name.startsWith("/")) throw refuse("is absolute");
    if (name.includes("\0")) throw refuse("contains a NUL byte");
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw refuse('contains ".."');
    if (parts.length > MAX_DEPTH) throw refuse(`has more than ${MAX_DEPTH} parts`);
    if (parts.some((part) => part.length > MAX_NAME)) throw refuse(`has a part of over ${MAX_NAME} bytes`);
    if (parts.some((part) => part.startsWith(TEMPORARY))) throw refuse("is one of guestd's own temporary names");
    const { rename } = this.#root;
    if (rename === undefined) return parts;
    if (parts[0] !== rename.from) throw refuse(`does not begin with ${shown(rename.from)}`);
    return rename.to === "" ? parts.slice(1) : [rename.to, ...parts.slice(1)];
  }

  /** Returns a directory below the root, open, and creates missing ones, for the owner alone until their own member comes. */
  #directory(parts: readonly string[], create: boolean): number {
    let depth = 0;
    while (depth < parts.length && this.#open[depth]?.name === parts[depth]) depth++;
    for (const { fd } of this.#open.splice(depth)) closeSync(fd);
    for (const part of parts.slice(depth)) {
      const above = this.#open.at(-1)?.fd ?? this.#root.dir;
      this.#open.push({ name: part, fd: this.#openDirectory(above, bytesOf(part), create) });
    }
    return this.#open.at(-1)?.fd ?? this.#root.dir;
  }

  #openDirectory(above: number, name: Buffer, create: boolean): number {
    const open = () => this.#options.sys.openEntry(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return open();
    } catch (error) {
      const code = codeOf(error);
      const shownName = shown(name.toString("latin1"));
      if (code === "ENOTDIR" || code === "ELOOP") {
        throw new ArchiveError(
          "already-exists",
          `${shownName} is in the way and no directory, and links aren't followed`,
        );
      }
      if (code === "EXDEV")
        throw new ArchiveError("failed-precondition", `${shownName} is a mount that isn't written to`);
      if (code !== "ENOENT" || !create) throw error;
    }
    mkdirSync(pathIn(above, name), 0o700);
    return open();
  }

  #putDirectory(parts: readonly string[], member: Member): void {
    // Opened again: the root may be an O_PATH descriptor.
    const fd = keepOpen(this.#directory(parts, true));
    try {
      this.#setOwner(fd, member);
      fchmodSync(fd, this.#mode(member));
      this.#setXattrs(fd, member);
      this.#options.sys.setTimes(fd, member.atime, member.mtime);
    } finally {
      closeSync(fd);
    }
  }

  async #putFile(dir: number, name: Buffer, member: Member, content: ReadMember["content"], start: number) {
    const { size, from } = member;
    const incomplete = incompleteName(this.#options.id, member);
    const path = pathIn(dir, incomplete);
    const fd = from > 0 ? this.#continueFile(path, from) : this.#beginFile(dir, path, member);
    try {
      this.#writing = { dir, name: incomplete };
      this.#options.onPart?.(member, from);
      // A part is continued only by a sender who knows that everything before it is complete.
      this.#report(start, isContinuable(member));
      const written = await this.#writeContent(fd, member, content, start);
      if (written < size) ftruncateSync(fd, size);
      this.#setOwner(fd, member);
      fchmodSync(fd, this.#mode(member));
      this.#setXattrs(fd, member);
      this.#options.sys.setTimes(fd, member.atime, member.mtime);
      renameSync(path, pathIn(dir, name));
      this.#writing = undefined;
      this.#release();
    } finally {
      closeSync(fd);
    }
  }

  /** Resolves with the offset after the last byte of a file's content. Writes what has arrived also if the rest doesn't follow. */
  async #writeContent(fd: number, member: Member, content: ReadMember["content"], start: number): Promise<number> {
    let [pieces, length, end, taken]: [Uint8Array[], number, number, number] = [[], 0, member.from, start];
    const flush = async () => {
      const [batch, bytes] = [pieces, length];
      [pieces, length] = [[], 0];
      await writeAll(fd, batch, end - bytes, end);
      taken += bytes;
      this.#options.onPart?.(member, end);
      this.#report(taken);
    };
    try {
      for await (const { offset, bytes } of content) {
        if (length > 0 && offset !== end) await flush();
        pieces.push(bytes);
        length += bytes.length;
        end = offset + bytes.length;
        if (length >= BATCH_BYTES) await flush();
      }
    } finally {
      if (length > 0) await flush();
    }
    return end;
  }

  #beginFile(dir: number, path: Buffer, { parts }: Member): number {
    this.discard();
    const bytes = parts.reduce((sum, { start, end }) => sum + end - start, 0);
    const { blocks, bavail, bsize } = bytes > SMALL ? statfsSync(pathIn(dir)) : { blocks: 0, bavail: 0, bsize: 0 };
    // A tmpfs without a limit reports 0 blocks.
    if (blocks > 0 && bytes > bavail * bsize) {
      const line = `ENOSPC (it has ${bytes} bytes, only ${bavail * bsize} are free; free space and copy again)`;
      throw new ArchiveError("resource-exhausted", line);
    }
    const open = () => openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      return open();
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      removeFile(path);
      return open();
    }
  }

  /** Opens a file that an interrupted archive has left, and drops what is behind the bytes to continue at. */
  #continueFile(path: Buffer, from: number): number {
    const gone = (cause?: unknown) => {
      const line = `the part that was received before, ${from} bytes, is gone; copy again`;
      return new ArchiveError("failed-precondition", line, { cause });
    };
    let fd: number;
    try {
      fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      throw codeOf(error) === "ENOENT" ? gone(error) : error;
    }
    const stat = fstatSync(fd);
    if (stat.isFile() && stat.nlink === 1 && stat.size >= from) {
      ftruncateSync(fd, from);
      return fd;
    }
    closeSync(fd);
    throw gone();
  }

  #putLink(dir: number, name: Buffer, member: Member): void {
    const path = pathIn(dir, incompleteName(this.#options.id, member));
    if (member.target === "" || member.target.includes("\0")) {
      throw new ArchiveError("invalid-argument", "it is a link to an impossible name");
    }
    removeFile(path);
    symlinkSync(bytesOf(member.target), path);
    try {
      this.#setOwner(path, member);
      const fd = openSync(path, O_PATH | O_NOFOLLOW);
      try {
        this.#options.sys.setTimes(fd, member.atime, member.mtime);
      } finally {
        closeSync(fd);
      }
      renameSync(path, pathIn(dir, name));
    } catch (error) {
      removeFile(path);
      throw error;
    }
  }

  /** Gives a file that is in the tree another name. */
  #putHardLink(dir: number, name: Buffer, member: Member): void {
    const target = this.#partsOf(member.target);
    // `dir` is closed when the directory of the target is opened.
    const into = keepOpen(dir);
    const path = pathIn(into, incompleteName(this.#options.id, member));
    try {
      const from = this.#directory(target.slice(0, -1), false);
      const existing = pathIn(from, bytesOf(target.at(-1) ?? "."));
      if (!lstatSync(existing).isFile()) throw new ArchiveError("invalid-argument", "it is a hard link to no file");
      removeFile(path);
      linkSync(existing, path);
      // Renaming does nothing if both are names of one file.
      renameSync(path, pathIn(into, name));
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      throw new ArchiveError("invalid-argument", `it is a hard link to ${shown(member.target)}, which does not exist`);
    } finally {
      removeFile(path);
      closeSync(into);
    }
  }

  /** Checks before a large file is written; renaming would refuse it too. */
  #refuseDirectory(dir: number, name: Buffer): void {
    const stat = lstatSync(pathIn(dir, name), { throwIfNoEntry: false });
    if (stat?.isDirectory()) throw new ArchiveError("already-exists", IN_ITS_PLACE);
  }

  #mode({ mode }: Member): number {
    return this.#options.keepPrivileges ? mode : mode & ~SET_ID;
  }

  /** Sets the owner of an open file, or of a link. Must come before the mode: it clears set-id bits. */
  #setOwner(what: number | Buffer, { uid, gid }: Member): void {
    const { owners, mapUid = same, mapGid = same } = this.#options;
    if (owners === "mine") return;
    const [user, group] = owners === "keep" ? [mapUid(uid), mapGid(gid)] : [owners.uid, owners.gid];
    if (typeof what === "number") fchownSync(what, user, group);
    else lchownSync(what, user, group);
  }

  #setXattrs(fd: number, { xattrs }: Member): void {
    const { sys, keepPrivileges, owners } = this.#options;
    for (const [name, value] of xattrs) {
      if (name === CAPABILITIES ? !keepPrivileges : isAcl(name) ? owners !== "keep" : !name.startsWith("user."))
        continue;
      try {
        sys.setXattr(fd, name, value);
      } catch (error) {
        if (codeOf(error) !== "ENOTSUP" && codeOf(error) !== "EOPNOTSUPP") throw error;
        this.#leaveOut("extended attributes, which the destination can't store");
      }
    }
  }

  #report(position: number, always = false): void {
    if (!always && position - this.#reported < REPORT_BYTES) return;
    this.#reported = position;
    this.#options.onTaken?.(position);
  }

  #leaveOut(kind: string): void {
    this.#leftOut.set(kind, (this.#leftOut.get(kind) ?? 0) + 1);
  }
}

const same = (id: number): number => id;

/** True for files that an interrupted archive may continue in the middle. */
const isContinuable = ({ version }: Member): boolean => version !== "";

const keepOpen = (dir: number): number => openSync(pathIn(dir), O_RDONLY | O_DIRECTORY);

/** Writes pieces from `start` to `end`, small ones at once, and others off the main thread. */
async function writeAll(fd: number, pieces: readonly Uint8Array[], start: number, end: number): Promise<void> {
  let left = pieces;
  for (let at = start; at < end; ) {
    const written = end - at <= SMALL ? writevSync(fd, left, at) : (await writePieces(fd, left, at)).bytesWritten;
    left = withoutFirst(left, written);
    at += written;
  }
}

function withoutFirst(pieces: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  return pieces.flatMap((piece) => {
    const dropped = Math.min(left, piece.length);
    left -= dropped;
    return dropped < piece.length ? [piece.subarray(dropped)] : [];
  });
}

async function* watch(source: AsyncIterable<Uint8Array>, onError: (error: unknown) => void) {
  try {
    yield* source;
  } catch (error) {
    onError(error);
    throw error;
  }
}
