import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { FoundConnection } from "../kernel/journal/found-calls.ts";
import type { Fd, Init } from "../kernel/kernel.ts";

const PREFIX = "conn:";

/** Connections that outlive the agent: init keeps their descriptors, the journal their calls. */
export class KeptConnections {
  readonly journal: CallJournal;
  readonly #init: Pick<Init, "deposit" | "withdraw">;
  /** Names of the deposits, by place in the journal. */
  readonly #names = new Map<number, string>();

  constructor(journal: CallJournal, init: Pick<Init, "deposit" | "withdraw">) {
    this.journal = journal;
    this.#init = init;
  }

  /** Gives a connection a place; undefined if the journal or init has none left: the connection then ends with the agent. */
  keep(fd: Fd, peerCid: number | undefined): number | undefined {
    const place = this.journal.openConnection(peerCid);
    if (place === undefined) return undefined;
    const name = `${PREFIX}${place.number}`;
    this.#names.set(place.index, name);
    try {
      this.#init.deposit(name, fd);
    } catch {
      this.#names.delete(place.index);
      this.journal.closeConnection(place.index);
      return undefined;
    }
    return place.index;
  }

  /** Takes over a connection of the previous agent. */
  adopt({ index, number }: FoundConnection): void {
    this.#names.set(index, `${PREFIX}${number}`);
  }

  /** Withdraws a connection that init has but the journal doesn't. */
  discard(number: number): void {
    this.#init.withdraw(`${PREFIX}${number}`);
  }

  /** Drops a closed connection, whose calls are closed too. */
  drop(index: number): void {
    const name = this.#names.get(index);
    if (name === undefined) return;
    this.#names.delete(index);
    this.journal.closeConnection(index);
    this.#init.withdraw(name);
  }
}

/** Returns the descriptors of connections among the deposits, by connection number. */
export function keptDescriptors(deposits: ReadonlyMap<string, Fd>): Map<number, Fd> {
  const kept = [...deposits].filter(([name]) => name.startsWith(PREFIX));
  return new Map(kept.map(([name, fd]) => [Number(name.slice(PREFIX.length)), fd]));
}
