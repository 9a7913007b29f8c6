import { RpcError } from "../../client/rpc-error.ts";
import { type AttachRequest, attach } from "../../client/streams/attachment.ts";
import type { StreamsPlace } from "../guest/streams-place.ts";
import { leftProcess } from "./left-process.ts";

export interface DetachedStart extends Required<Pick<AttachRequest, "container" | "exec" | "process">> {
  /** The process, in messages to the user. */
  readonly name: string;
}

/**
 * Starts an exec that never waits for a client: the agent keeps the last part of its output. Throws RpcError if the agent
 * refuses, with kind "unreachable" if nothing listens at the address.
 */
export async function startDetached(place: StreamsPlace, { name, ...request }: DetachedStart): Promise<void> {
  // An observer takes no output from the client that attaches later.
  const attachment = attach(
    place.address,
    { ...request, mode: "ring", observe: true },
    { dial: place.dial, onData: () => undefined, onGap: () => undefined },
  );
  try {
    await attachment.attached;
  } catch (error) {
    if (error instanceof RpcError && error.kind === "unreachable") throw error;
    throw leftProcess(error, attachment, { name });
  }
  attachment.close();
  await attachment.exit.catch(() => undefined);
}
