import type { guestd } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../agent-client.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { type FollowOptions, followFrames } from "./follow-frames.ts";

/** A core dump that a guest keeps. */
export interface CoreDump {
  /** Counts from 1 in each boot of the guest. */
  readonly id: number;
  /** When the process died, in whole seconds. */
  readonly time: Date;
  /** Empty: a process of the guest itself. */
  readonly container: string;
  /** Set if the process was this exec itself. */
  readonly exec: string;
  /** Pid in the guest. */
  readonly pid: number;
  /** Pid as the process itself saw it. */
  readonly ownPid: number;
  readonly signal: number;
  readonly uid: number;
  readonly gid: number;
  /** The process's name, which it can choose: may have control characters. */
  readonly command: string;
  /** Bytes that are kept. */
  readonly size: number;
  /** Why the core is not whole: limit, memory, time, killed or error; empty if it is. */
  readonly cut: string;
}

/** Lists the core dumps of a guest, the oldest first. Throws RpcError. */
export async function listCores({ guest }: Pick<AgentClient, "guest">): Promise<CoreDump[]> {
  const { cores } = await guest.listCores({});
  return cores.map(coreOf);
}

/**
 * Reads a core dump over any number of connections to guestd.v1.Streams at `address`: yields its bytes once and in order, from `from` on. Calls `onStart` with
 * its description first. Throws RpcError if the agent refuses, or if no connection to it succeeds.
 */
export async function* readCore(
  address: string,
  id: number,
  options: FollowOptions & { readonly from?: number; readonly onStart?: (core: CoreDump) => void } = {},
): AsyncGenerator<Uint8Array, void> {
  let { from: at = 0 } = options;
  let epoch: Uint8Array = new Uint8Array();
  let size: number | undefined;
  const what = `get core dump ${id}`;
  const request = () => requests.core.encode({ version: 1, id, from: at, epoch });
  for await (const frame of followFrames(address, { name: () => what, type: "core", request, waits: true }, options)) {
    if (frame.type === "coreStart") {
      const { epoch: given, core } = answers.coreStart.decode(frame.payload);
      if (core === null) throw new RpcError("internal", `${what}: the agent doesn't describe it`);
      if (size === undefined) options.onStart?.(coreOf(core));
      [epoch, size] = [given, core.size];
    } else if (frame.type === "coreData") {
      const { offset, payload } = frame;
      if (offset !== at || at + payload.length > (size ?? 0))
        throw new RpcError("internal", `${what}: byte ${offset} came after byte ${at} of ${size}`);
      at += payload.length;
      yield payload;
    } else if (frame.type === "coreEnd") {
      if (frame.offset === at && at === size) return;
      throw new RpcError("internal", `${what}: it ends at byte ${frame.offset}, not at ${size}`);
    }
  }
}

function coreOf(message: guestd.v1.CoreDump): CoreDump {
  const { id, ms, container_id: container, exec_id: exec, pid, own_pid: ownPid } = message;
  const { signal, uid, gid, command, size, cut } = message;
  if (!Number.isSafeInteger(id + size))
    throw new RpcError("internal", `core dumps: the agent sent number ${id} with size ${size}`);
  return { id, time: new Date(ms), container, exec, pid, ownPid, signal, uid, gid, command, size, cut };
}
