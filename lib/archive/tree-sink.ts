import { constants } from "node:fs";
import { yieldToEventLoop } from "../yield-to-event-loop.ts";
import { ArchiveError, codeOf, IN_ITS_PLACE, memberError } from "./archive-error.ts";
import { destinationNames, namesOf, type Rename } from "./destination-names.ts";
import { beginFile, continueFile, incompleteName, removeFile, removeIncomplete } from "./incomplete-files.ts";
import { bytesOf, type Member, shown, TEMPORARY } from "./member.ts";
import { type AttributeOptions, MemberAttributes } from "./member-attributes.ts";
import { OpenDirectories } from "./open-directories.ts";
import { isSmall, PlacedFiles, SMALL } from "./placed-files.ts";
import { type ReadMember, readMembers } from "./read-members.ts";
import { type Answer, isDirectory, isFile, O_PATH, type TreeFiles, type TreeStat } from "./tree-files.ts";
import { WatchedSource } from "./watched-source.ts";
import { writeContent } from "./write-content.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** Between two reports of the position, in bytes. */
const REPORT_BYTES = 32 * 1024;

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
  readonly #files: TreeFiles;
  readonly #options: SinkOptions;
  readonly #yieldNow = yieldToEventLoop();
  readonly #leftOut = new Map<string, number>();
  readonly #directories: OpenDirectories;
  readonly #attributes: MemberAttributes;
  readonly #placed = new PlacedFiles((read) => this.#isComplete(read));
  /** The file that is being written; its directory is one of the open ones. */
  #writing: IncompleteFile | undefined;
  /** A file that an interrupted archive has left; its directory is open on its own. */
  #partial: IncompleteFile | undefined;
  #reported = 0;

  constructor(root: SinkRoot, options: SinkOptions) {
    this.#root = root;
    this.#files = options.files;
    this.#options = options;
    this.#directories = new OpenDirectories(options.files, root.dir);
    this.#attributes = new MemberAttributes(options, (kind) => this.#leaveOut(kind));
  }

  /** One line for each kind of thing that was left out so far. */
  get notes(): string[] {
    return Array.from(this.#leftOut, ([what, count]) => `${what}: left out (${count})`);
  }

  /** True while a file that isn't complete waits for the archive that continues it. */
  get isIncomplete(): boolean {
    return this.#partial !== undefined;
  }

  /** Resolves with the bytes that an interrupted archive has left of a member. Removes what is left of others beside it. */
  async partialBytes(part: Pick<Member, "name" | "version">): Promise<number> {
    try {
      const parts = destinationNames(part.name, this.#root.rename);
      const dir = await this.#directories.open(parts.slice(0, -1), false);
      const name = incompleteName(this.#options.id, part);
      await removeIncomplete(this.#files, dir, this.#options.id, name);
      const stat = await this.#statEntry(dir, name);
      if (!isFile(stat) || stat.nlink !== 1n) return 0;
      this.#partial = { dir: await this.#keepOpen(dir), name };
      return Number(stat.size);
    } catch {
      return 0;
    }
  }

  /**
   * Extracts an archive. Throws ArchiveError and removes the file that isn't complete; or the source's own error and leaves
   * it, so that another archive can continue it.
   */
  async extract(source: AsyncIterable<Uint8Array>): Promise<void> {
    this.#reported = 0;
    const watched = new WatchedSource(source);
    try {
      for await (const read of readMembers(watched, (kind) => this.#leaveOut(kind))) {
        await this.#yieldNow();
        await this.#placed.room(read.member);
        await this.#take(read);
      }
      await this.#placed.finish();
    } catch (error) {
      await this.#placed.finish().catch(() => undefined);
      if (this.#writing !== undefined) {
        await this.#release();
        this.#partial = { dir: await this.#keepOpen(this.#writing.dir), name: this.#writing.name };
        this.#writing = undefined;
      }
      if (watched.error === undefined) await this.discard();
      throw watched.error ?? error;
    }
  }

  /** Removes the file that isn't complete, unless it is gone or can't be removed. */
  async discard(): Promise<void> {
    if (this.#partial === undefined) return;
    const { dir, name } = this.#partial;
    await removeFile(this.#files, dir, name).catch(() => undefined);
    await this.#release().catch(() => undefined);
  }

  /** Leaves the incomplete file to the next sink of this copy if it belongs to `part`; otherwise removes it. */
  async leaveTo(part: Pick<Member, "name" | "version"> | null): Promise<void> {
    if (part && this.#partial?.name.equals(incompleteName(this.#options.id, part))) await this.#release();
    else await this.discard();
  }

  async #release(): Promise<void> {
    const partial = this.#partial;
    this.#partial = undefined;
    if (partial !== undefined) await this.#files.close(partial.dir);
  }

  /** Closes what is open; an incomplete file stays until `discard`. */
  async close(): Promise<void> {
    await this.#directories.close();
  }

  async #take(read: ReadMember): Promise<void> {
    const { member } = read;
    try {
      const parts = namesOf(member, this.#root.rename);
      if (member.type === "directory") {
        await this.#putDirectory(parts, member);
        this.#isComplete(read);
      } else if (parts.length > 0) await this.#putEntry(parts, read);
      else throw new ArchiveError("invalid-argument", "it would replace the directory that is copied to");
    } catch (error) {
      throw memberError(member, error);
    }
  }

  async #putEntry(parts: readonly string[], read: ReadMember): Promise<void> {
    const { member } = read;
    const name = bytesOf(parts.at(-1) ?? "");
    const dir = await this.#directories.open(parts.slice(0, -1), true);
    if (this.#files.place !== undefined && isSmall(member)) return await this.#placeFile(dir, name, read);
    if (member.size > SMALL) await this.#refuseDirectory(dir, name);
    if (member.type === "file") await this.#putFile(dir, name, read);
    else if (member.type === "symlink") await this.#putLink(dir, name, member);
    else await this.#putHardLink(dir, name, member);
    this.#isComplete(read);
  }

  #isComplete({ member, end }: ReadMember): void {
    this.#options.onMember?.(member);
    this.#report(end, isContinuable(member));
  }

  async #putDirectory(parts: readonly string[], member: Member): Promise<void> {
    // Opened again: the root may be an O_PATH descriptor.
    const fd = await this.#keepOpen(await this.#directories.open(parts, true));
    try {
      await this.#attributes.setAll(fd, member);
    } finally {
      await this.#files.close(fd);
    }
  }

  async #putFile(dir: number, name: Buffer, { member, content, start }: ReadMember): Promise<void> {
    const { size, from } = member;
    const incomplete = incompleteName(this.#options.id, member);
    if (from === 0) await this.discard();
    const fd =
      from > 0
        ? await continueFile(this.#files, dir, incomplete, from)
        : await beginFile(this.#files, dir, incomplete, member);
    try {
      this.#writing = { dir, name: incomplete };
      this.#options.onPart?.(member, from);
      // A part is continued only by a sender who knows that everything before it is complete.
      this.#report(start, isContinuable(member));
      let taken = start;
      const written = await writeContent(this.#files, fd, from, content, (end, bytes) => {
        taken += bytes;
        this.#options.onPart?.(member, end);
        this.#report(taken);
      });
      if (written < size) await this.#files.truncate(fd, size);
      await this.#attributes.setAll(fd, member);
      await this.#files.rename(dir, incomplete, name);
      this.#writing = undefined;
      await this.#release();
    } finally {
      await this.#files.close(fd);
    }
  }

  /** Writes a small file in one step, once all of it has arrived. */
  async #placeFile(dir: number, name: Buffer, read: ReadMember): Promise<void> {
    const { member } = read;
    await this.discard();
    const content = Buffer.alloc(member.size);
    for await (const { offset, bytes } of read.content) content.set(bytes, offset);
    const attributes = { owner: this.#attributes.ownerOf(member), mode: this.#attributes.modeOf(member) };
    const file = { ...attributes, content, times: { access: member.atime, change: member.mtime }, replaces: true };
    // A file that is not continued needs no name of its own while it is incomplete.
    const incomplete = Buffer.from(`${TEMPORARY}${this.#options.id}-small`);
    this.#placed.add(read, async (linked) => this.#files.place?.(dir, incomplete, name, { ...file, linked }));
  }

  async #putLink(dir: number, name: Buffer, member: Member): Promise<void> {
    const incomplete = incompleteName(this.#options.id, member);
    if (member.target === "" || member.target.includes("\0")) {
      throw new ArchiveError("invalid-argument", "it is a link to an impossible name");
    }
    await removeFile(this.#files, dir, incomplete);
    await this.#files.symlink(bytesOf(member.target), dir, incomplete);
    try {
      const fd = await this.#files.openEntry(dir, incomplete, O_PATH | O_NOFOLLOW);
      try {
        await this.#attributes.setOwner(fd, member);
        await this.#files.setTimes(fd, member.atime, member.mtime);
      } finally {
        await this.#files.close(fd);
      }
      await this.#files.rename(dir, incomplete, name);
    } catch (error) {
      await removeFile(this.#files, dir, incomplete);
      throw error;
    }
  }

  /** Gives a file that is in the tree another name. */
  async #putHardLink(dir: number, name: Buffer, member: Member): Promise<void> {
    const target = destinationNames(member.target, this.#root.rename);
    // `dir` is closed when the directory of the target is opened.
    const into = await this.#keepOpen(dir);
    const incomplete = incompleteName(this.#options.id, member);
    try {
      const from = await this.#directories.open(target.slice(0, -1), false);
      const existing = bytesOf(target.at(-1) ?? ".");
      const stat = await this.#statEntry(from, existing);
      if (!isFile(stat)) throw new ArchiveError("invalid-argument", "it is a hard link to no file");
      await removeFile(this.#files, into, incomplete);
      await this.#files.link(from, existing, into, incomplete);
      // Renaming does nothing if both are names of one file.
      await this.#files.rename(into, incomplete, name);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      throw new ArchiveError("invalid-argument", `it is a hard link to ${shown(member.target)}, which does not exist`);
    } finally {
      await removeFile(this.#files, into, incomplete).finally(() => this.#files.close(into));
    }
  }

  /** Checks before a large file is written; renaming would refuse it too. */
  async #refuseDirectory(dir: number, name: Buffer): Promise<void> {
    try {
      if (!isDirectory(await this.#statEntry(dir, name))) return;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return;
      throw error;
    }
    throw new ArchiveError("already-exists", IN_ITS_PLACE);
  }

  async #statEntry(dir: number, name: Buffer): Promise<TreeStat> {
    const fd = await this.#files.openEntry(dir, name, O_PATH | O_NOFOLLOW);
    try {
      return await this.#files.stat(fd);
    } finally {
      await this.#files.close(fd);
    }
  }

  /** Returns a handle of its own for an open directory. */
  #keepOpen(dir: number): Answer<number> {
    return this.#files.reopen(dir, O_RDONLY | O_DIRECTORY);
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
