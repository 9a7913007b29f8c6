import {
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { yieldToEventLoop } from "../yield-to-event-loop.ts";
import { ArchiveError, archiveError, codeOf } from "./archive-error.ts";
import { destinationNames, namesOf, type Rename } from "./destination-names.ts";
import { beginFile, continueFile, incompleteName, removeFile, removeIncomplete } from "./incomplete-files.ts";
import { bytesOf, type Member, shown } from "./member.ts";
import { type AttributeOptions, MemberAttributes } from "./member-attributes.ts";
import { keepOpen, OpenDirectories } from "./open-directories.ts";
import { type ReadMember, readMembers } from "./read-members.ts";
import { O_PATH, pathIn } from "./tree-sys.ts";
import { writeContent } from "./write-content.ts";

const { O_NOFOLLOW } = constants;

/** The name of a larger file is checked before its content is written; bytes. */
const SMALL = 16 * 1024;
/** Between two reports of the position, in bytes. */
const REPORT_BYTES = 32 * 1024;
const IN_ITS_PLACE = "a directory is in its place";

/** Where members go. */
export interface SinkRoot {
  /** An open directory. The caller closes it. */
  readonly dir: number;
  readonly rename?: Rename | undefined;
}

export interface SinkOptions extends AttributeOptions {
  /** Names the copy in the temporary names of incomplete files; letters, digits and dashes. */
  readonly id: string;
  /** Everything in the archive before this position is in the tree, a file that is not complete in its temporary one. */
  readonly onTaken?: (position: number) => void;
  /** Called with each member that is complete. */
  readonly onMember?: (member: Member) => void;
  /** Called with a file's member before its first byte, and with its bytes so far. */
  readonly onPart?: (member: Member, bytes: number) => void;
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
  readonly #directories: OpenDirectories;
  readonly #attributes: MemberAttributes;
  /** The file that is being written; its directory is one of the open ones. */
  #writing: IncompleteFile | undefined;
  /** A file that an interrupted archive has left; its directory is open on its own. */
  #partial: IncompleteFile | undefined;
  #reported = 0;

  constructor(root: SinkRoot, options: SinkOptions) {
    this.#root = root;
    this.#options = options;
    this.#directories = new OpenDirectories(options.sys, root.dir);
    this.#attributes = new MemberAttributes(options, (kind) => this.#leaveOut(kind));
  }

  /** One line for each kind of thing that was left out so far. */
  get notes(): string[] {
    return Array.from(this.#leftOut, ([what, count]) => `${what}: left out (${count})`);
  }

  /** Resolves with the bytes that an interrupted archive has left of a member. Removes what is left of others beside it. */
  async partialBytes(part: Pick<Member, "name" | "version">): Promise<number> {
    try {
      const parts = destinationNames(part.name, this.#root.rename);
      const dir = this.#directories.open(parts.slice(0, -1), false);
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

  /** Leaves the incomplete file to the next sink of this copy if it belongs to `part`; otherwise removes it. */
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
    this.#directories.close();
  }

  async #take({ member, content, start }: ReadMember): Promise<void> {
    const parts = namesOf(member, this.#root.rename);
    const what = shown(member.name);
    try {
      if (member.type === "directory") return this.#putDirectory(parts, member);
      const name = bytesOf(parts.at(-1) ?? "");
      if (parts.length === 0)
        throw new ArchiveError("invalid-argument", "it would replace the directory that is copied to");
      const dir = this.#directories.open(parts.slice(0, -1), true);
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

  #putDirectory(parts: readonly string[], member: Member): void {
    // Opened again: the root may be an O_PATH descriptor.
    const fd = keepOpen(this.#directories.open(parts, true));
    try {
      this.#attributes.setAll(fd, member);
    } finally {
      closeSync(fd);
    }
  }

  async #putFile(dir: number, name: Buffer, member: Member, content: ReadMember["content"], start: number) {
    const { size, from } = member;
    const incomplete = incompleteName(this.#options.id, member);
    const path = pathIn(dir, incomplete);
    if (from === 0) this.discard();
    const fd = from > 0 ? continueFile(path, from) : beginFile(dir, path, member);
    try {
      this.#writing = { dir, name: incomplete };
      this.#options.onPart?.(member, from);
      // A part is continued only by a sender who knows that everything before it is complete.
      this.#report(start, isContinuable(member));
      let taken = start;
      const written = await writeContent(fd, from, content, (end, bytes) => {
        taken += bytes;
        this.#options.onPart?.(member, end);
        this.#report(taken);
      });
      if (written < size) ftruncateSync(fd, size);
      this.#attributes.setAll(fd, member);
      renameSync(path, pathIn(dir, name));
      this.#writing = undefined;
      this.#release();
    } finally {
      closeSync(fd);
    }
  }

  #putLink(dir: number, name: Buffer, member: Member): void {
    const path = pathIn(dir, incompleteName(this.#options.id, member));
    if (member.target === "" || member.target.includes("\0")) {
      throw new ArchiveError("invalid-argument", "it is a link to an impossible name");
    }
    removeFile(path);
    symlinkSync(bytesOf(member.target), path);
    try {
      this.#attributes.setOwner(path, member);
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
    const target = destinationNames(member.target, this.#root.rename);
    // `dir` is closed when the directory of the target is opened.
    const into = keepOpen(dir);
    const path = pathIn(into, incompleteName(this.#options.id, member));
    try {
      const from = this.#directories.open(target.slice(0, -1), false);
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

  #report(position: number, always = false): void {
    if (!always && position - this.#reported < REPORT_BYTES) return;
    this.#reported = position;
    this.#options.onTaken?.(position);
  }

  #leaveOut(kind: string): void {
    this.#leftOut.set(kind, (this.#leftOut.get(kind) ?? 0) + 1);
  }
}

/** True for files that an interrupted archive may continue in the middle. */
const isContinuable = ({ version }: Member): boolean => version !== "";

async function* watch(source: AsyncIterable<Uint8Array>, onError: (error: unknown) => void) {
  try {
    yield* source;
  } catch (error) {
    onError(error);
    throw error;
  }
}
