import { ArchiveError } from "./archive-error.ts";
import { contentLength, END_MARK, encodeMember, paddingOf } from "./encode-member.ts";
import type { Member } from "./member.ts";
import { readMembers } from "./read-members.ts";

/** Most directories of an archive. */
const MAX_DIRECTORIES = 1 << 20;

/**
 * Passes on any tar archive in the order of a TreeSource: each directory after everything in it, so that what follows
 * doesn't change its time.
 */
export function collected(source: AsyncIterable<Uint8Array>): {
  readonly bytes: AsyncIterable<Buffer>;
  /** Returns one line for each kind of thing that was left out so far. */
  notes(): string[];
  members(): number;
} {
  const leftOut = new Map<string, number>();
  let members = 0;
  async function* bytes(): AsyncGenerator<Buffer> {
    const directories = new Map<string, Member>();
    for await (const { member, content } of readMembers(source, (kind) =>
      leftOut.set(kind, (leftOut.get(kind) ?? 0) + 1),
    )) {
      if (member.type === "directory") {
        directories.set(member.name, member);
        if (directories.size > MAX_DIRECTORIES) {
          throw new ArchiveError("resource-exhausted", `the archive has over ${MAX_DIRECTORIES} directories`);
        }
        continue;
      }
      members++;
      yield encodeMember({ ...member, version: "" });
      for await (const piece of content) yield Buffer.from(piece.bytes);
      yield paddingOf(contentLength(member));
    }
    members += directories.size;
    for (const directory of [...directories.values()].sort((a, b) => (a.name < b.name ? 1 : -1))) {
      yield encodeMember(directory);
    }
    yield END_MARK;
  }
  const notes = () => Array.from(leftOut, ([what, count]) => `${what}: left out (${count})`);
  return { bytes: bytes(), notes, members: () => members };
}
