import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { guestd } from "../../proto/gen/messages.js";
import type { AgentClient } from "./agent-client.ts";
import { RpcError } from "./rpc-error.ts";
import { sendFiles } from "./send-files.ts";

/** Folder that accepts bundles in agents without an `upload_path`. */
const SHARED = "/run/kata-containers/shared/containers";
/** Time limit: a bundle that hangs is abandoned after 30 s, and a guest under software emulation is slow. */
const LIMIT_MS = 120_000;
const INTERVAL_MS = 100;
const ANSWER_MS = 5000;

export type RunningAgent = guestd.v1.RunningResponse;

export interface Upgraded {
  readonly before: RunningAgent;
  /** The running agent afterwards: the requested one or, if that was abandoned, the image's own. */
  readonly after: RunningAgent;
  /** SHA-256 of the requested bundle; empty for the image's own. */
  readonly wanted: string;
}

/**
 * Sends a bundle to a running guest, where it takes over from the running agent; without a bundle, the image's own
 * agent takes over. Containers, their output and ttRPC connections are kept. Throws RpcError, or Error if no agent
 * answers.
 */
export async function upgradeAgent(connect: () => Promise<AgentClient>, bundle?: string): Promise<Upgraded> {
  await using client = await connect();
  const before = await client.guest.running({});
  const wanted =
    bundle === undefined
      ? ""
      : createHash("sha256")
          .update(await readFile(bundle))
          .digest("hex");
  const place = before.upload_path || `${SHARED}/.guestd-upgrade-${wanted.slice(0, 12)}`;
  const path = bundle === undefined ? "" : place;
  if (bundle !== undefined) await sendFiles(client, bundle, path, { owner: { uid: 0, gid: 0 } });
  const { generation } = await client.guest.upgrade({ path, sha256: wanted });
  const end = performance.now() + LIMIT_MS;
  for (;;) {
    const after = await ask(connect);
    const known = after?.bundle === wanted || after?.left_bundle === wanted;
    if (after !== undefined && after.generation > generation && known) return { before, after, wanted };
    if (performance.now() > end) throw new Error(`upgrade: no new agent answered within ${LIMIT_MS / 1000} s`);
    await sleep(INTERVAL_MS);
  }
}

/** Returns undefined while one agent is replaced by the next. */
async function ask(connect: () => Promise<AgentClient>): Promise<RunningAgent | undefined> {
  try {
    await using client = await connect();
    return await client.guest.running({}, { timeoutMs: ANSWER_MS });
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}
