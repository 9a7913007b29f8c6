import type { ForwardLedger } from "../../kernel/journal/forward-ledger.ts";
import type { Fd, Init } from "../../kernel/kernel.ts";
import type { RealSys } from "../../kernel/sys/sys.ts";

export type ForwardSys = Pick<
  RealSys,
  | "pipe"
  | "read"
  | "write"
  | "pump"
  | "peek"
  | "poll"
  | "readable"
  | "endWriting"
  | "isVsock"
  | "resetOnClose"
  | "endConnection"
  | "close"
>;

/** Bytes that the two sides of a forwarded connection send beside its data. */
export interface ForwardProtocol {
  /** Encodes the announcement that a direction ends after `total` bytes. */
  finish(total: number): Uint8Array;
  /** Decodes a client's announcement; undefined while bytes are missing. Throws AgentError for anything else. */
  readFinish(bytes: Uint8Array): number | undefined;
  /** Encodes the reason why a connection ends early. */
  failure(error: unknown): Uint8Array;
}

/** Everything that all forwarded connections share. */
export interface ForwardBase {
  readonly sys: ForwardSys;
  readonly init: Pick<Init, "deposit" | "withdraw" | "greeting">;
  readonly ledger: ForwardLedger;
  readonly protocol: ForwardProtocol;
}

/**
 * Descriptors of a forwarded connection, by role. The client's two connections carry one direction of data each, because not
 * every vsock relays the end of one direction alone; announcements go against the data.
 */
export interface ForwardFds {
  /** From the client: data to the target. To the client: its announcements. */
  readonly upload: Fd;
  /** To the client: data of the target. From the client: its announcement. */
  readonly download: Fd;
  /** Unset once both directions have ended, while the client may still be reading. */
  readonly target?: Fd;
  /** Pipes of the directions that have not ended. */
  readonly up?: Fd;
  readonly down?: Fd;
}

export type ForwardRole = keyof ForwardFds;

const ROLES: readonly ForwardRole[] = ["upload", "download", "target", "up", "down"];

/** Name of init's copy of a descriptor. */
export const depositName = (place: number, id: string, role: ForwardRole): string => `forward:${place}:${id}:${role}`;

export interface FoundForward {
  readonly place: number;
  readonly id: string;
  readonly fds: Partial<ForwardFds>;
}

/** Returns what a previous agent deposited, by forwarded connection. */
export function foundForwards(deposits: ReadonlyMap<string, Fd>): FoundForward[] {
  const found = new Map<string, { place: number; id: string; fds: { [role in ForwardRole]?: Fd } }>();
  for (const [name, fd] of deposits) {
    const [, place, id, role] = /^forward:(\d+):([0-9a-f]+):([a-z]+)$/.exec(name) ?? [];
    if (place === undefined || id === undefined) continue;
    const known = ROLES.find((it) => it === role);
    if (known === undefined) continue;
    const key = `${place}:${id}`;
    const forward = found.get(key) ?? { place: Number(place), id, fds: {} };
    forward.fds[known] = fd;
    found.set(key, forward);
  }
  return [...found.values()];
}
