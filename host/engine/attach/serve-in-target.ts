import type { AgentClient } from "../../client/agent-client.ts";
import { DialError } from "../../client/dial.ts";
import { RpcError } from "../../client/rpc-error.ts";
import type { AttachRequest } from "../../client/streams/attachment.ts";
import { OperationError } from "../../operation-error.ts";
import { memoryHint } from "../container/memory-hint.ts";
import { explainLostCall, findGuestEnd, KILLED } from "../guest/guest-death.ts";
import { type ContainerTarget, connectTo } from "../guest/guest-target.ts";
import { byStreamsOrCalls, streamsPlace } from "../guest/streams-place.ts";
import type { StateStore } from "../record/state-store.ts";
import { LeftProcess } from "./left-process.ts";
import { leaveAfter, serveProcess } from "./serve-process.ts";
import { type ServeOptions, serveStreams } from "./serve-streams.ts";

export interface TargetOptions extends Omit<ServeOptions, "name" | "findDeath" | "died"> {
  /** True if the process has a terminal; of no use to guestd.v1.Streams, which tells. */
  readonly tty: boolean;
  /** Starts the process by Kata's calls. */
  startByCalls?(client: AgentClient): Promise<void>;
}

/** Prints that the container has reached its memory limit, if it has. */
async function printHint(target: ContainerTarget): Promise<void> {
  const ask = async () => {
    await using client = await connectTo(target);
    return await memoryHint(client, target.container);
  };
  const hint = await ask().catch(() => undefined);
  if (hint !== undefined) process.stderr.write(`guestctl: ${hint}\n`);
}

/**
 * Serves a process of a container until its end, by guestd.v1.Streams or Kata's calls, and returns its exit code. Removes
 * the record of an exec that has ended.
 */
export async function serveInTarget(
  store: StateStore,
  target: ContainerTarget,
  request: AttachRequest,
  options: TargetOptions,
): Promise<number> {
  const { guest, container } = target;
  const { exec = container } = request;
  const name = exec === container ? `container ${container}` : `exec ${exec} in container ${container}`;
  const findDeath = () => (guest === undefined ? undefined : findGuestEnd(store, guest.name));
  const forget = () => {
    if (guest !== undefined && exec !== container) store.removeProcess(guest.name, { container, exec });
  };
  const byStreams = () => serveStreams(streamsPlace(target), request, { ...options, name, findDeath });
  const byCalls = async () => {
    if (request.from !== undefined) {
      throw new OperationError(
        `${name}: this agent can't continue at a byte: it doesn't serve guestd.v1.Streams; omit --from`,
      );
    }
    const { signal } = options.interrupts;
    await using client = await options.interrupts.during(connectTo(target, { signal }));
    options.interrupts.handle((_signal, times) => leaveAfter(client, times));
    await options.startByCalls?.(client);
    return await serveProcess(client, { container_id: container, exec_id: exec }, options, options.interrupts);
  };
  try {
    const code = await byStreamsOrCalls(byStreams, byCalls);
    if (code === KILLED) await printHint(target);
    forget();
    return code;
  } catch (error) {
    const isGone = error instanceof LeftProcess && error.left === "gone";
    if (isGone || (error instanceof RpcError && error.kind === "not-found")) forget();
    if (isGone) throw findDeath() ?? error;
    const isLost = error instanceof RpcError || error instanceof DialError;
    throw guest !== undefined && isLost ? await explainLostCall(store, guest.name, error) : error;
  }
}
