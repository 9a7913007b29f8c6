import { ArchiveError } from "./archive-error.ts";
import { destinationNames, namesOf, type Rename } from "./destination-names.ts";
import { contentLength, END_MARK, encodeMember, paddingOf } from "./encode-member.ts";
import { type Member, shown } from "./member.ts";
import { readMembers } from "./read-members.ts";
import { WatchedSource } from "./watched-source.ts";

export interface TarWriterOptions {
  /** Applied to the name of every member. */
  readonly rename: Rename;
  /** Takes the archive's bytes; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  readonly onTaken?: (position: number) => void;
  readonly onMember?: (member: Member) => void;
  readonly onPart?: (member: Member, bytes: number) => void;
}

/** Writes one archive from the archives of several connections, each of which begins with the member that was cut. */
export class TarWriter {
  readonly #options: TarWriterOptions;
  readonly #leftOut = new Map<string, number>();
  /** The member that was cut, and the bytes of its content that are written. */
  #cut: { readonly member: Member; written: number } | undefined;

  constructor(options: TarWriterOptions) {
    this.#options = options;
  }

  get notes(): string[] {
    return Array.from(this.#leftOut, ([what, count]) => `${what}: left out (${count})`);
  }

  /** Writes an archive, and its end. Throws ArchiveError, or the source's own error. */
  async extract(source: AsyncIterable<Uint8Array>): Promise<void> {
    const watched = new WatchedSource(source);
    try {
      await this.#extract(watched);
    } catch (error) {
      throw watched.error ?? error;
    }
  }

  async #extract(source: AsyncIterable<Uint8Array>): Promise<void> {
    const { write, onTaken, onMember, onPart } = this.#options;
    const leaveOut = (kind: string) => this.#leftOut.set(kind, (this.#leftOut.get(kind) ?? 0) + 1);
    for await (const { member, content, start, end } of readMembers(source, leaveOut)) {
      const cut = this.#continue(member);
      if (cut.written === 0 && this.#cut === undefined) await write(encodeMember(this.#renamed(member)));
      this.#cut = cut;
      let [read, taken] = [0, start];
      for await (const { offset, bytes } of content) {
        read += bytes.length;
        const fresh = bytes.subarray(Math.max(bytes.length - Math.max(read - cut.written, 0), 0));
        if (fresh.length > 0) await write(fresh);
        cut.written += fresh.length;
        taken += bytes.length;
        onPart?.(member, offset + bytes.length);
        onTaken?.(taken);
      }
      await write(paddingOf(contentLength(member)));
      this.#cut = undefined;
      onMember?.(member);
      onTaken?.(end);
    }
    await write(END_MARK);
  }

  #renamed(member: Member): Member {
    const { rename } = this.#options;
    const target = member.type === "link" ? destinationNames(member.target, rename).join("/") : member.target;
    return { ...member, name: namesOf(member, rename).join("/") || ".", target, version: "" };
  }

  /** Returns how far a member is written. Throws if it isn't the one that was cut. */
  #continue(member: Member): { readonly member: Member; written: number } {
    if (this.#cut === undefined) return { member, written: 0 };
    const { name, size, mtime, parts } = this.#cut.member;
    if (
      member.name === name &&
      member.size === size &&
      member.mtime === mtime &&
      member.parts.length === parts.length
    ) {
      return this.#cut;
    }
    const line = `${shown(name)}: it changed while the connection was lost, and a part of it is written; copy again`;
    throw new ArchiveError("failed-precondition", line);
  }
}
