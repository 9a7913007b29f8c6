import type { Member } from "../../../lib/archive/member.ts";

/** Members that were sent on one connection and that the agent has not completed, and the last that it has. */
export class SentMembers {
  /** Name of the last member that is complete; empty if none is. */
  after = "";
  readonly #members: { readonly name: string; readonly version: string; readonly start: number }[] = [];
  #complete = 0;
  /** Bytes that this connection's archive has produced. */
  #produced = 0;

  /** The member that follows the last complete one. */
  get next(): { readonly name: string; readonly version: string } | undefined {
    return this.#members[0];
  }

  /** Number of all members, once the copy is complete. */
  get all(): number {
    return this.#complete + this.#members.length;
  }

  /** Returns the members of the next connection. What the reading of files still adds to this one no longer counts. */
  continued(): SentMembers {
    const next = new SentMembers();
    next.after = this.after;
    next.#complete = this.#complete;
    return next;
  }

  /** Passes on an archive, and counts its bytes. */
  async *counted(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of archive) {
      yield chunk;
      this.#produced += chunk.length;
    }
  }

  /** Adds the member that begins with the archive's next byte. */
  add({ name, version }: Member): void {
    this.#members.push({ name, version, start: this.#produced });
  }

  /** Returns the number of members that are complete, once everything before `offset` is. */
  acknowledge(offset: number): number {
    for (
      let [first, second] = this.#members;
      first && second && second.start <= offset;
      [first, second] = this.#members
    ) {
      this.after = first.name;
      this.#members.shift();
      this.#complete++;
    }
    return this.#complete;
  }
}
