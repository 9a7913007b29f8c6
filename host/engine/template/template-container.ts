import type { Writable } from "node:stream";
import type { AgentClient } from "../../client/agent-client.ts";
import { OperationError } from "../../operation-error.ts";
import type { Guest } from "../../vm/guest.ts";
import { attach } from "../attach/attach-by-calls.ts";
import { execSpec } from "../container/exec-spec.ts";
import { containerRequest } from "../container/prepare-run.ts";
import { waitingProcess } from "../container/waiting-process.ts";
import { plugBlockRoot } from "../guest/block-storages.ts";
import { blockRootOf } from "../image/disk/block-root.ts";
import type { RootfsSource } from "../image/unpack-rootfs.ts";
import type { ProcessRecord } from "../record/state-records.ts";

export interface TemplateContainer {
  /** Id of the container, and name of the template. */
  readonly name: string;
  readonly image: RootfsSource;
  /** Name of the image, for display. */
  readonly imageText: string;
  /** Commands to run in it, one after the other: each must end with 0. */
  readonly commands: readonly (readonly string[])[];
  /** Gets the commands' output. */
  readonly output: { readonly stdout: Writable; readonly stderr: Writable };
  readonly signal: AbortSignal;
}

/** Starts a container in a guest that becomes a template, and runs commands in it. Returns its record, for the clones. */
export async function startTemplateContainer(
  client: AgentClient,
  guest: Guest,
  { name, image, imageText, commands, output, signal }: TemplateContainer,
): Promise<ProcessRecord> {
  using root = await blockRootOf(image, { user: name, signal });
  await using qmp = await guest.qmp();
  const prepared = { ...(await plugBlockRoot(qmp, name, name, root)), guest: name };
  const { OCI, storages } = containerRequest(name, prepared, { ...waitingProcess(), hostname: name });
  const id = { container_id: name, exec_id: name };
  await client.agent.createContainer({ ...id, OCI, storages: [...storages] }, { signal });
  await client.agent.startContainer({ container_id: name }, { signal });
  const record: ProcessRecord = {
    ...{ container: name, exec: name, args: [...(OCI.Process?.Args ?? [])], image: imageText, terminal: false },
    ...{ rootfs: prepared.rootfs.host, env: [...(OCI.Process?.Env ?? [])], cwd: OCI.Process?.Cwd ?? "/" },
    ...{ user: String(prepared.config["User"] ?? ""), startedAt: new Date().toISOString() },
  };
  for (const [index, args] of commands.entries()) {
    signal.throwIfAborted();
    const exec = { container_id: name, exec_id: `prepare-${index}` };
    const process = execSpec({ address: "", container: name, record }, args, {});
    await client.agent.execProcess({ ...exec, process }, { signal });
    const code = await attach(client, exec, output);
    if (code === 0) continue;
    throw new OperationError(`template ${name}: ${JSON.stringify(args.join(" "))} ended with exit code ${code}`);
  }
  return record;
}
