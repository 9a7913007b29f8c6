import type { AgentClient } from "../../client/agent-client.ts";
import { dial } from "../../client/dial.ts";
import type { CallOptions } from "../../client/rpc-channel.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { OperationError } from "../../operation-error.ts";
import type { Target } from "./guest-target.ts";
import { streamsPlace } from "./streams-place.ts";

/** Which of guestd's own services an agent has. */
export interface Offers {
  readonly guest: boolean;
  readonly streams: boolean;
}

/** A connection to an agent that its caller keeps. */
export interface Connection {
  readonly client: AgentClient;
  readonly offers: Offers;
}

const SERVICES = { guest: "guestd.v1.Guest", streams: "guestd.v1.Streams" } as const;

/** Asks an agent which services it has. Throws RpcError if it doesn't answer. */
export async function askOffers(target: Target, client: AgentClient, options: CallOptions = {}): Promise<Offers> {
  const [guest, streams] = await Promise.all([hasGuest(client, options), hasStreams(target)]);
  return { guest, streams };
}

/** Throws OperationError if an agent is known to lack a service. */
export function checkOffer(service: keyof Offers, address: string, offers?: Offers): void {
  if (offers?.[service] !== false) return;
  const why = `the agent at ${address} has no ${SERVICES[service]}`;
  throw new OperationError(`${why}; use an agent of guestd of this version`, { kind: "unsupported" });
}

async function hasGuest(client: AgentClient, options: CallOptions): Promise<boolean> {
  try {
    await client.guest.running({}, options);
    return true;
  } catch (error) {
    if (!(error instanceof RpcError) || error.kind === "unavailable" || error.kind === "deadline-exceeded") throw error;
    return error.kind === "permission-denied"; // a policy
  }
}

async function hasStreams(target: Target): Promise<boolean> {
  const { address, dial: open = dial } = streamsPlace(target);
  return open(address).then(
    (stream) => {
      stream.destroy();
      return true;
    },
    () => false,
  );
}
