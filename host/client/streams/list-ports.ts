import { setTimeout as sleep } from "node:timers/promises";
import { dial } from "../dial.ts";
import { answers, requests } from "../edge/stream-messages.ts";
import { RpcError } from "../rpc-error.ts";
import { ask } from "./ask.ts";
import { type ForwardOptions, OPEN_MS } from "./forward.ts";

const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;

export interface ListeningPort {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** Returns the ports on which processes listen in the network namespace of a container, or of the guest. */
export async function listPorts(
  address: string,
  container = "",
  { openMs = OPEN_MS, ...options }: ForwardOptions = {},
): Promise<{ readonly ports: readonly ListeningPort[]; readonly truncated: boolean }> {
  const request = requests.ports.encode({ version: 1, container_id: container });
  const retries = { name: () => "list ports", limitMs: openMs };
  return answers.ports.decode(await ask(address, "ports", request, { dial, ...options }, retries));
}

/** Resolves once a process listens on a TCP port. Rejects with RpcError "timeout" after `timeoutMs`, by default a minute. */
export async function waitForPort(
  address: string,
  { container = "", port }: { readonly container?: string; readonly port: number },
  options: ForwardOptions & { readonly timeoutMs?: number } = {},
): Promise<ListeningPort> {
  const { timeoutMs = 60_000, signal } = options;
  const deadline = performance.now() + timeoutMs;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    const openMs = Math.max(deadline - performance.now(), OPEN_MS); // a busy guest may answer late
    const { ports } = await listPorts(address, container, { openMs, ...options });
    const found = ports.find((it) => it.port === port && it.protocol.startsWith("tcp"));
    if (found !== undefined) return found;
    if (performance.now() + pause > deadline) {
      const where = container === "" ? "the guest" : `container ${container}`;
      throw new RpcError("timeout", `wait for port ${port} of ${where}: nothing listens after ${timeoutMs} ms`);
    }
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
  }
}
