import { readSync } from "node:fs";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { HEADER_BYTES } from "../../guest/core-dumps/core-file.ts";
import type { KeptCore, KeptCores } from "../../guest/core-dumps/kept-cores.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { Agent } from "../rpc.ts";

const { v1 } = guestd;
const messages = {
  list: codec("guestd.v1.CoresRequest", v1.CoresRequest),
  listed: codec("guestd.v1.CoreList", v1.CoreList),
  read: codec("guestd.v1.CoreRequest", v1.CoreRequest),
  start: codec("guestd.v1.CoreStart", v1.CoreStart),
  remove: codec("guestd.v1.CoresRemoveRequest", v1.CoresRemoveRequest),
};

/** A client's reading of one core dump. */
export interface CoreReading {
  readonly start: Uint8Array;
  readonly from: number;
  readonly size: number;
  /** Reads up to `into.length` bytes from a position of the core; returns how many, 0 at its end. */
  read(into: Uint8Array, at: number): number;
  /** The file, which the caller closes. */
  readonly fd: Fd;
}

/** Core dumps for clients: lists, reads and removes them. */
export class Cores {
  readonly #agent: Pick<Agent, "policy">;
  readonly #kept: KeptCores | undefined;
  readonly #epoch: () => Uint8Array;

  /** `kept` is undefined if the guest keeps none. */
  constructor(agent: Pick<Agent, "policy">, kept: KeptCores | undefined, epoch: () => Uint8Array) {
    this.#agent = agent;
    this.#kept = kept;
    this.#epoch = epoch;
  }

  /** Returns the list for a client. Throws AgentError, as all methods do. */
  list(payload: Uint8Array): Uint8Array {
    const request = decode("list core dumps", messages.list, payload);
    this.#agent.policy.check("ListCores", "CoresRequest", request);
    const cores = this.#store("list core dumps").list();
    return messages.listed.encode({ version: 1, cores: cores.map(messageOf) });
  }

  /** Throws if the policy denies reading a core dump. */
  checkPolicy(payload: Uint8Array): void {
    this.#agent.policy.check("GetCore", "CoreRequest", decode("get a core dump", messages.read, payload));
  }

  /** Begins to read a core dump. */
  open(payload: Uint8Array): CoreReading {
    const request = decode("get a core dump", messages.read, payload);
    const { id, from, epoch: known } = request;
    const what = `get core dump ${id}`;
    this.checkPolicy(payload);
    const kept = this.#store(what);
    const epoch = this.#epoch();
    if (known.length > 0 && !Buffer.from(known).equals(epoch)) {
      throw new AgentError("not-found", `${what}: the guest was started again since, so its core dumps are gone`);
    }
    const core = kept.find(id)?.core;
    if (core === undefined) throw new AgentError("not-found", `${what}: not kept; list those that are`);
    if (from > core.size) throw new AgentError("invalid-argument", `${what}: it ends before byte ${from}`);
    const fd = kept.open(id);
    return {
      ...{ fd, from, size: core.size },
      start: messages.start.encode({ version: 1, epoch, core: messageOf(core) }),
      read: (into, at) => readSync(fd, into, 0, Math.min(into.length, core.size - at), HEADER_BYTES + at),
    };
  }

  /** Removes core dumps. */
  remove(payload: Uint8Array): void {
    const request = decode("remove core dumps", messages.remove, payload);
    this.#agent.policy.check("RemoveCores", "CoresRemoveRequest", request);
    const kept = this.#store("remove core dumps");
    for (const id of request.ids) kept.remove(id);
  }

  #store(what: string): KeptCores {
    if (this.#kept !== undefined) return this.#kept;
    throw new AgentError("failed-precondition", `${what}: the guest keeps none; start it with agent.core_dumps=BYTES`);
  }
}

function messageOf({ container: container_id, exec: exec_id, ownPid: own_pid, ...core }: KeptCore) {
  const { id, ms, pid, signal, uid, gid, command, size, cut } = core;
  return { id, ms, container_id, exec_id, pid, own_pid, signal, uid, gid, command, size, cut };
}

function decode<T extends { readonly version: number }>(
  what: string,
  { decode: read }: { decode(payload: Uint8Array): T },
  payload: Uint8Array,
): T {
  let request: T;
  try {
    request = read(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
  if (request.version < 1) throw new AgentError("invalid-argument", `${what}: the request has no version; set 1`);
  return request;
}
