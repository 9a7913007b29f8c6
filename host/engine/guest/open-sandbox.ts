import type { AgentClient } from "../../client/agent-client.ts";
import { RpcError } from "../../client/rpc-error.ts";
import { SHARE_STORAGE } from "./shared-folder.ts";

export interface SandboxOptions {
  readonly id: string;
  readonly hostname: string;
  /** True if the host shares a folder, which the agent then mounts. */
  readonly shared: boolean;
  /** Lines of the sandbox's resolv.conf. */
  readonly dns?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Calls CreateSandbox; keeps an existing sandbox. Throws RpcError. */
export async function openSandbox(
  client: AgentClient,
  { id, hostname, shared, dns = [], signal }: SandboxOptions,
): Promise<void> {
  try {
    const storages = shared ? [SHARE_STORAGE] : [];
    await client.agent.createSandbox({ sandbox_id: id, hostname, dns, storages }, signal && { signal });
  } catch (error) {
    if (!(error instanceof RpcError && error.kind === "already-exists")) throw error;
  }
}
