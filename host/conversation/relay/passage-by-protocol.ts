import type { Direction } from "../format/conversation.ts";
import type { Passage, RelayedConnection } from "./relay.ts";

type Protocol = "ttrpc" | "grpc";

/** First byte of the HTTP/2 preface. As the first byte of a ttRPC frame it would mean over a gigabyte. */
const GRPC_FIRST = 0x50;

/**
 * Returns a passage that `choose` makes once a connection's protocol is known by its first byte. Of both, only gRPC lets the agent
 * begin; a silent host counts as ttRPC.
 */
export function passageByProtocol(choose: (protocol: Protocol) => Passage): Passage {
  let chosen: Passage | undefined;
  const passage = (direction: Direction, first?: number): Passage => {
    const isGrpc = first === GRPC_FIRST || (first !== undefined && direction === "response");
    chosen ??= choose(isGrpc ? "grpc" : "ttrpc");
    return chosen;
  };
  return {
    receive: (direction, chunk) => passage(direction, chunk[0]).receive(direction, chunk),
    end: (direction) => passage(direction).end(direction),
    failed: async (direction) => chosen?.failed?.(direction),
    closed: (error) => passage("request").closed(error),
  };
}

/** Passes a connection on as it is. */
export function plainPassage(connection: RelayedConnection): Passage {
  return {
    receive: (direction, chunk) => connection.write(direction, chunk),
    end: () => Promise.resolve(),
    closed: () => undefined,
  };
}
