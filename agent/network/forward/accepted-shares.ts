import { AgentError } from "../../kernel/error.ts";
import { MAX_FORWARDS } from "../../kernel/journal/forward-ledger.ts";

/** Most connections that the processes of one container, and of all, have open by connecting to reverse listeners. */
const MAX_OF_ONE = MAX_FORWARDS / 2;
const MAX_OF_ALL = MAX_FORWARDS - MAX_FORWARDS / 4;

/**
 * Connections that containers have opened themselves, by their places. They get no more than a share of all forwards, so that
 * clients can always open some. Those of an earlier agent are not counted.
 */
export class AcceptedShares {
  readonly #owners = new Map<number, string>();

  /** Throws AgentError if the owner, a container's id, may have no further connection. */
  check(owner: string): void {
    const owners = [...this.#owners.values()];
    if (owners.filter((each) => each === owner).length >= MAX_OF_ONE) {
      const line = `forward: ${owner === "" ? "the guest" : `container ${owner}`} has ${MAX_OF_ONE} connections to reverse forwards already`;
      throw new AgentError("resource-exhausted", line);
    }
    if (owners.length >= MAX_OF_ALL) {
      const line = `forward: containers have ${MAX_OF_ALL} connections to reverse forwards already`;
      throw new AgentError("resource-exhausted", line);
    }
  }

  add(place: number, owner: string): void {
    this.#owners.set(place, owner);
  }

  remove(place: number): void {
    this.#owners.delete(place);
  }
}
