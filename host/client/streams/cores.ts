import { setTimeout as sleep } from "node:timers/promises";
import type { guestd } from "../../../proto/gen/messages.js";
import type { FrameType, StreamFrame } from "../../../proto/stream-frame.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { type AgentFramesOptions, agentFrames } from "./agent-frames.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;
/** How long attempts to connect may fail. */
const [FIRST_MS, LATER_MS] = [2000, 60_000];

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

export interface CoresOptions extends AgentFramesOptions {
  /** How long attempts to connect again may fail, in ms. Default: a minute; 2 s until the agent has answered once. */
  readonly giveUpMs?: number;
}

/** Lists the core dumps of a guest. `address` is that of guestd.v1.Streams. Throws RpcError. */
export async function listCores(address: string, options: CoresOptions = {}): Promise<CoreDump[]> {
  const request = requests.cores.encode({ version: 1 });
  const { cores } = answers.coreList.decode((await answer(address, "cores", request, options)).payload);
  return cores.map(coreOf);
}

/** Removes core dumps; missing ones are fine. Throws RpcError. */
export async function removeCores(address: string, ids: readonly number[], options: CoresOptions = {}): Promise<void> {
  await answer(address, "coresRemove", requests.coresRemove.encode({ version: 1, ids: [...ids] }), options);
}

/**
 * Reads a core dump over any number of connections: yields its bytes once and in order, from `from` on. Calls `onStart` with
 * its description first. Throws RpcError if the agent refuses, or if no connection to it succeeds.
 */
export async function* readCore(
  address: string,
  id: number,
  options: CoresOptions & { readonly from?: number; readonly onStart?: (core: CoreDump) => void } = {},
): AsyncGenerator<Uint8Array, void> {
  let { from: at = 0 } = options;
  let epoch: Uint8Array = new Uint8Array();
  let size: number | undefined;
  const what = `get core dump ${id}`;
  const lost = retrying(what, options);
  for (;;) {
    try {
      const request = requests.core.encode({ version: 1, id, from: at, epoch });
      for await (const { type, offset, payload } of agentFrames(address, "core", request, options)) {
        lost.answered();
        if (type === "coreStart") {
          const { epoch: given, core } = answers.coreStart.decode(payload);
          if (core === null) throw new RpcError("internal", `${what}: the agent doesn't describe it`);
          if (size === undefined) options.onStart?.(coreOf(core));
          [epoch, size] = [given, core.size];
        } else if (type === "coreData") {
          if (offset !== at || at + payload.length > (size ?? 0)) {
            throw new RpcError("internal", `${what}: byte ${offset} came after byte ${at} of ${size}`);
          }
          at += payload.length;
          yield payload;
        } else if (type === "coreEnd") {
          if (offset === at && at === size) return;
          throw new RpcError("internal", `${what}: it ends at byte ${offset}, not at ${size}`);
        }
      }
    } catch (error) {
      if (error instanceof RpcError) throw error;
      await lost.wait(error);
      continue;
    }
    await lost.wait("the connection ended");
  }
}

/** Returns the agent's only frame. Connects again if the connection is lost before. */
async function answer(
  address: string,
  type: FrameType,
  request: Uint8Array,
  options: CoresOptions,
): Promise<StreamFrame> {
  const lost = retrying("core dumps", options);
  for (;;) {
    let reason: unknown = "the connection ended";
    try {
      for await (const frame of agentFrames(address, type, request, options)) return frame;
    } catch (error) {
      if (error instanceof RpcError) throw error;
      reason = error;
    }
    await lost.wait(reason);
  }
}

/** Pauses between attempts to connect, and gives up with RpcError after too many in a row. */
function retrying(what: string, { giveUpMs, signal }: CoresOptions) {
  let limit = giveUpMs ?? FIRST_MS;
  let since: number | undefined;
  let pause = FIRST_PAUSE_MS;
  return {
    answered() {
      limit = giveUpMs ?? LATER_MS;
      since = undefined;
      pause = FIRST_PAUSE_MS;
    },
    async wait(reason: unknown) {
      signal?.throwIfAborted();
      since ??= performance.now();
      if (performance.now() - since > limit) {
        const why = reason instanceof Error ? reason.message : String(reason);
        throw new RpcError("unavailable", `${what}: the connection was lost: ${why}`);
      }
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
      pause = Math.min(pause * 2, MAX_PAUSE_MS);
    },
  };
}

function coreOf(message: guestd.v1.CoreDump): CoreDump {
  const { id, ms, container_id: container, exec_id: exec, pid, own_pid: ownPid } = message;
  const { signal, uid, gid, command, size, cut } = message;
  if (!Number.isSafeInteger(id + size))
    throw new RpcError("internal", `core dumps: the agent sent number ${id} with size ${size}`);
  return { id, time: new Date(ms), container, exec, pid, ownPid, signal, uid, gid, command, size, cut };
}
