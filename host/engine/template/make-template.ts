import { type AgentClient, connect } from "../../client/agent-client.ts";
import { Guest } from "../../vm/guest.ts";
import type { GuestOptions } from "../../vm/guest-options.ts";
import { MachineError } from "../../vm/machine-error.ts";
import type { Manifest } from "../../vm/snapshot/manifest.ts";
import { LOG_OPTION } from "../guest/guest-log.ts";
import { openSandbox } from "../guest/open-sandbox.ts";
import { quiesce } from "../guest/quiesce.ts";
import { AGENT_PORT, GUEST_OPTIONS } from "../guest/sandbox-guest.ts";
import { becomeClone } from "./become-clone.ts";
import { warmUp } from "./warm-up.ts";

export interface TemplateOptions extends Omit<GuestOptions, "shares"> {
  /** Name of the template, and the host name until a clone gets its own. */
  readonly name: string;
  /** Called with the warmed guest before it is saved; containers that it leaves are in every clone. May return notes for the manifest. */
  readonly prepare?: (client: AgentClient, guest: Guest) => Promise<Manifest["notes"] | undefined> | Promise<void>;
}

/**
 * Boots a guest, lets its agent create containers, saves it to a new folder, and ends it. It has no share, and its clones
 * can have both: a share of their own, and disks.
 */
export async function makeTemplate(
  directory: string,
  { name, prepare, kernelArgs = [], ...options }: TemplateOptions,
): Promise<Manifest> {
  await using guest = await Guest.start({
    ...options,
    hasDisks: true,
    kernelArgs: [...GUEST_OPTIONS, "agent.template=on", ...kernelArgs, LOG_OPTION],
  });
  const { signal } = options;
  const client = await connect(guest.address(AGENT_PORT));
  try {
    await becomeClone(client, 0, { hostname: name });
    await openSandbox(client, { id: name, hostname: name, shared: false });
    await warmUp(client, guest.address(AGENT_PORT), true);
    const prepared = await prepare?.(client, guest);
    const { notes, ...facts } = await quiesce(client, name);
    await client.close();
    return await guest.save(directory, { ...facts, notes: { ...notes, ...prepared } }, { end: true, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (guest.signal.aborted && !(error instanceof MachineError)) throw guest.signal.reason;
    throw error;
  } finally {
    await client.close();
  }
}
