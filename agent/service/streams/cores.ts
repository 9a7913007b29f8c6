import { readSync } from "node:fs";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { HEADER_BYTES } from "../../guest/core-dumps/core-file.ts";
import type { KeptCore, KeptCores } from "../../guest/core-dumps/kept-cores.ts";
import { AgentError } from "../../kernel/error.ts";
import type { Fd } from "../../kernel/kernel.ts";
import type { PolicyDoor } from "../policy/policy-door.ts";

const { v1 } = guestd;
const messages = {
  read: codec("guestd.v1.CoreRequest", v1.CoreRequest),
  start: codec("guestd.v1.CoreStart", v1.CoreStart),
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
  readonly #policy: Pick<PolicyDoor, "check">;
  readonly #kept: KeptCores | undefined;
  readonly #epoch: () => Uint8Array;

  /** `kept` is undefined if the guest keeps none. */
  constructor(policy: Pick<PolicyDoor, "check">, kept: KeptCores | undefined, epoch: () => Uint8Array) {
    this.#policy = policy;
    this.#kept = kept;
    this.#epoch = epoch;
  }

  /** Returns those that are kept, the oldest first. Throws AgentError, as all methods do. */
  list() {
    return this.#store("list core dumps").list().map(messageOf);
  }

  /** Throws if the policy denies reading a core dump. */
  checkPolicy(payload: Uint8Array): void {
    this.#policy.check("GetCore", "CoreRequest", decodeRequest(payload));
  }

  /** Begins to read a core dump. */
  open(payload: Uint8Array): CoreReading {
    const request = decodeRequest(payload);
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
  remove(ids: readonly number[]): void {
    const kept = this.#store("remove core dumps");
    for (const id of ids) kept.remove(id);
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

function decodeRequest(payload: Uint8Array): guestd.v1.CoreRequest {
  let request: guestd.v1.CoreRequest;
  try {
    request = messages.read.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
  const { version } = request;
  if (version < 1) throw new AgentError("invalid-argument", "get a core dump: the request has no version; set 1");
  return request;
}
