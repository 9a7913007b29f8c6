import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { dial } from "../../client/dial.ts";
import { type Attachment, type AttachOptions, attach } from "../../client/streams/attachment.ts";
import { execSpec } from "../../engine/container/exec-spec.ts";
import { findGuestEnd } from "../../engine/guest/guest-death.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { randomName } from "../../engine/guest/random-name.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import type { RunOptions } from "../../engine/image/image-config.ts";
import type { StateStore } from "../../engine/record/state-store.ts";

/** The container that an SSH connection works in. */
export interface SshTarget {
  readonly container: string;
  /** Address of guestd.v1.Streams. */
  readonly address: string;
  readonly dial?: typeof dial;
  /** How long attempts to connect again may fail, ms. Default: a minute. */
  readonly giveUpMs?: number;
  /** Returns the process that runs `args` in the container. */
  process(args: readonly string[], options?: RunOptions): Init<grpc.Process>;
  /** Returns why the agent will never answer again, once that is known. */
  findDeath(): Error | undefined;
}

export function sshTarget(
  store: StateStore,
  target: ContainerTarget,
  { user, reconnectTimeout: seconds }: { readonly user?: string; readonly reconnectTimeout?: number },
): SshTarget {
  const { guest, container } = target;
  return {
    container,
    ...streamsPlace(target),
    ...(seconds !== undefined && { giveUpMs: seconds * 1000 }),
    process: (args, options = {}) => execSpec(target, args, { ...options, ...(user === undefined ? {} : { user }) }),
    findDeath: () => (guest === undefined ? undefined : findGuestEnd(store, guest.name)),
  };
}

/** Starts a process whose stdio continues over disconnections and the agent's death, until the guest's. */
export function startProcess(
  { container, address, findDeath, dial, giveUpMs }: SshTarget,
  process: Init<grpc.Process>,
  onData: AttachOptions["onData"],
): Attachment {
  const dying = new AbortController();
  const onDisconnect = () => {
    const death = findDeath();
    if (death !== undefined) dying.abort(death);
  };
  return attach(
    address,
    { container, exec: randomName("s"), process },
    { dial, ...(giveUpMs && { giveUpMs }), signal: dying.signal, onData, onDisconnect },
  );
}
