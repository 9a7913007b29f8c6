import { setTimeout as sleep } from "node:timers/promises";
import { RpcError } from "../../client/rpc-error.ts";
import { repeat } from "../../client/streams/repeat.ts";
import type { Guest, ListeningPort } from "../guest.ts";

const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;
/** How long the agent may not answer: it may be restarting, and its guest busy. */
const LOST_MS = 20_000;

export interface WaitOptions {
  /** Default: a minute. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PortChange extends ListeningPort {
  readonly action: "opened" | "closed";
}

/** Resolves once a process listens on a TCP port of a container, or of the guest (""). Rejects with RpcError "timeout". */
export async function waitForPort(
  guest: Guest,
  { container = "", port }: { readonly container?: string; readonly port: number },
  { timeoutMs = 60_000, signal }: WaitOptions = {},
): Promise<ListeningPort> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    const ports = await listAgain(guest, container, Math.max(deadline - performance.now(), LOST_MS), signal);
    const found = ports.find((it) => it.port === port && it.protocol.startsWith("tcp"));
    if (found !== undefined) return found;
    if (performance.now() + pause > deadline) {
      const where = container === "" ? "the guest" : `container ${container}`;
      throw new RpcError("timeout", `wait for port ${port} of ${where}: nothing listens after ${timeoutMs} ms`);
    }
    await sleep(pause, undefined, { signal });
  }
}

/**
 * Yields the ports on which processes of a container or the guest listen, then each change. Asks the agent every `intervalMs`: a
 * port that is open for a shorter time may be missed. Throws RpcError once the container has ended.
 */
export async function* followPorts(
  guest: Guest,
  container = "",
  { intervalMs = 500, signal }: { readonly intervalMs?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<PortChange, never> {
  let before = new Map<string, ListeningPort>();
  for (;;) {
    const ports = await listAgain(guest, container, LOST_MS, signal);
    const now = new Map(ports.map((each) => [`${each.protocol} ${each.address} ${each.port}`, each]));
    for (const [key, port] of before) if (!now.has(key)) yield { action: "closed", ...port };
    for (const [key, port] of now) if (!before.has(key)) yield { action: "opened", ...port };
    before = now;
    await sleep(intervalMs, undefined, { signal });
  }
}

async function listAgain(guest: Guest, container: string, limitMs: number, signal: AbortSignal | undefined) {
  const ask = async (either: AbortSignal) => (await guest.ports(container, { signal: either })).ports;
  return await repeat({ name: () => "list ports", limitMs, signal }, ask);
}
