import { memberError } from "./archive-error.ts";
import type { Member } from "./member.ts";
import type { ReadMember } from "./read-members.ts";

/** Most bytes of a file that is written in one step. The name of a larger one is checked before its content is written. */
export const SMALL = 16 * 1024;
/** Files that are placed at once: the requests of one message. */
const AT_ONCE = 8;

/**
 * Small files of one directory that are placed at once. They are complete in their order, and none follows one that failed, as each
 * is linked to the one before: no other call may be made meanwhile.
 */
export class PlacedFiles {
  readonly #onPlaced: (read: ReadMember) => void;
  readonly #placing: { readonly read: ReadMember; readonly done: Promise<void> }[] = [];
  #directory = "";

  constructor(onPlaced: (read: ReadMember) => void) {
    this.#onPlaced = onPlaced;
  }

  /** Resolves once a member may be written: at once for one that may be placed beside those before it. */
  async room(member: Member): Promise<void> {
    const directory = member.name.slice(0, member.name.lastIndexOf("/") + 1);
    if (this.#placing.length === AT_ONCE || directory !== this.#directory || !isSmall(member)) await this.finish();
    this.#directory = directory;
  }

  /** Begins to place a file, which `room` has admitted. */
  add(read: ReadMember, place: (linked: boolean) => Promise<void>): void {
    const done = place(this.#placing.length > 0);
    done.catch(() => undefined); // `finish` reports it
    this.#placing.push({ read, done });
  }

  /** Resolves once all are in the tree; rejects with ArchiveError for the first that isn't. */
  async finish(): Promise<void> {
    for (const { read, done } of this.#placing.splice(0)) {
      try {
        await done;
      } catch (error) {
        throw memberError(read.member, error);
      }
      this.#onPlaced(read);
    }
  }
}

/** True for a file without holes and attributes that isn't continued. */
export const isSmall = ({ type, size, from, parts, xattrs }: Member): boolean =>
  type === "file" &&
  from === 0 &&
  size <= SMALL &&
  xattrs.size === 0 &&
  parts.reduce((sum, { start, end }) => sum + end - start, 0) === size;
