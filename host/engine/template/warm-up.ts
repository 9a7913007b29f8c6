import type { AgentClient } from "../../client/agent-client.ts";
import { removeFromAgent } from "../../client/remove-container.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { attach } from "../../client/streams/attachment.ts";
import { streamsAddress } from "../../client/streams/streams-address.ts";
import { guestRootStorage } from "../guest/guest-root.ts";
import { imageSpec, processSpec, type RunOptions } from "../image/image-config.ts";

/** Containers for a template: clones start with the code that Node has compiled by then. More made them no faster. */
const TEMPLATE_CONTAINERS = 8;
/** Containers for a guest that someone will use soon: the first one warms what all later ones use. */
const GUEST_CONTAINERS = 2;
/** Stands for a root file system that the host can't see. */
const NOWHERE = "/nonexistent";

/** The only program that every guest has; it waits for a signal. */
const PAUSE = "/pause_bundle/rootfs/pause";
const SIGKILL = 9;

/**
 * Lets an agent create, enter and remove containers, by Kata's calls and over guestd.v1.Streams, so that its code and the
 * kernel's are in memory.
 */
export async function warmUp(client: AgentClient, address: string, isTemplate = false): Promise<void> {
  const { agent } = client;
  const containers = isTemplate ? TEMPLATE_CONTAINERS : GUEST_CONTAINERS;
  for (let index = 0; index < containers; index++) {
    const id = `warm-up-${index}`;
    const rootfs = `/run/kata-containers/${id}/rootfs`;
    const spec = imageSpec({ config: {} }, { host: NOWHERE, guest: rootfs }, { args: [PAUSE] });
    await agent.createContainer({ container_id: id, exec_id: id, OCI: spec, storages: [guestRootStorage(rootfs)] });
    await agent.startContainer({ container_id: id });
    await runExec(client, id);
    for (const terminal of [undefined, { rows: 24, columns: 80 }]) {
      await runAttached(streamsAddress(address), id, terminal);
    }
    await removeFromAgent({ agent }, id);
  }
}

async function runExec({ agent }: AgentClient, container_id: string): Promise<void> {
  const id = { container_id, exec_id: "exec" };
  await agent.execProcess({ ...id, process: processSpec({}, NOWHERE, { entrypoint: [], args: [PAUSE] }) });
  await agent.signalProcess({ ...id, signal: SIGKILL });
  while ((await agent.readStdout({ ...id, len: 4096 })).data.length > 0);
  await agent.waitProcess(id);
}

/** Has a terminal echo what it gets. Does nothing with an agent that doesn't serve guestd.v1.Streams. */
async function runAttached(address: string, container: string, terminal: RunOptions["terminal"]): Promise<void> {
  const process = processSpec({}, NOWHERE, { entrypoint: [], args: [PAUSE], terminal });
  const exec = terminal ? "terminal" : "pipes";
  const echo = Promise.withResolvers<void>();
  const attachment = attach(address, { container, exec, process }, { onData: () => echo.resolve() });
  try {
    await attachment.write(Buffer.from("echo"));
    if (terminal) await Promise.race([echo.promise, attachment.exit]);
    attachment.signal(SIGKILL);
    await attachment.exit;
  } catch (error) {
    if (!(error instanceof RpcError && error.kind === "unreachable")) throw error;
  }
}
