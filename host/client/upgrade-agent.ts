import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { guestd } from "../../proto/gen/messages.js";
import type { AgentClient } from "./agent-client.ts";
import { RpcError } from "./rpc-error.ts";
import { sendFiles } from "./send-files.ts";

/** Where agents without an `upload_path` take a bundle. */
const SHARED = "/run/kata-containers/shared/containers";
/** A bundle that hangs is left after 30 s, and a guest under software emulation is slow. */
const LIMIT_MS = 120_000;
const INTERVAL_MS = 100;
const ANSWER_MS = 5000;

export type RunningAgent = guestd.v1.RunningResponse;

export interface Upgraded {
  readonly before: RunningAgent;
  /** Answers, be it the wanted one or, when that was left, the image's own. */
  readonly after: RunningAgent;
  /** SHA-256 of what was to run; empty for the image's own. */
  readonly wanted: string;
}

/**
 * Sends a bundle to a running guest and has it take over from the agent there; without one the image's own agent does.
 * Containers and what they print go on, as do ttRPC connections. Throws RpcError, or Error when no agent answers.
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
    if (performance.now() > end) throw new Error(`upgrade: no new agent answers within ${LIMIT_MS / 1000} s`);
    await sleep(INTERVAL_MS);
  }
}

/** Undefined while an agent goes and the next one comes. */
async function ask(connect: () => Promise<AgentClient>): Promise<RunningAgent | undefined> {
  try {
    await using client = await connect();
    return await client.guest.running({}, { timeoutMs: ANSWER_MS });
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}
