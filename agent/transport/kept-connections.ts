import type { CallJournal } from "../kernel/journal/call-journal.ts";
import type { FoundConnection } from "../kernel/journal/found-calls.ts";
import type { Fd, Init } from "../kernel/kernel.ts";

const PREFIX = "conn:";

/** Connections that outlive the agent: their descriptors are with init, their calls in the journal. */
export class KeptConnections {
  readonly journal: CallJournal;
  readonly #init: Pick<Init, "deposit" | "withdraw">;
  /** Names of the deposits, by place in the journal. */
  readonly #names = new Map<number, string>();

  constructor(journal: CallJournal, init: Pick<Init, "deposit" | "withdraw">) {
    this.journal = journal;
    this.#init = init;
  }

  /** The place of a connection from now on; undefined when the journal or init has none, and it ends with the agent. */
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

  /** Takes over one that an agent before kept. */
  adopt({ index, number }: FoundConnection): void {
    this.#names.set(index, `${PREFIX}${number}`);
  }

  /** One that is with init and not in the journal. */
  discard(number: number): void {
    this.#init.withdraw(`${PREFIX}${number}`);
  }

  /** The connection is closed, and so are its calls. */
  drop(index: number): void {
    const name = this.#names.get(index);
    if (name === undefined) return;
    this.#names.delete(index);
    this.journal.closeConnection(index);
    this.#init.withdraw(name);
  }
}

/** The deposits that are connections: the descriptor by the connection's number. */
export function keptDescriptors(deposits: ReadonlyMap<string, Fd>): Map<number, Fd> {
  const kept = [...deposits].filter(([name]) => name.startsWith(PREFIX));
  return new Map(kept.map(([name, fd]) => [Number(name.slice(PREFIX.length)), fd]));
}
