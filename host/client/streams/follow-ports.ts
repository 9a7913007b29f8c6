import { setTimeout as sleep } from "node:timers/promises";
import type { ForwardOptions } from "./forward.ts";
import { type ListeningPort, listPorts } from "./list-ports.ts";

const INTERVAL_MS = 500;

export interface PortChange extends ListeningPort {
  readonly action: "opened" | "closed";
}

/**
 * Yields the ports on which processes of a container or the guest listen, then each change. Asks the agent every `intervalMs`: a
 * port that is open for a shorter time may be missed. Throws RpcError once the container has ended.
 */
export async function* followPorts(
  address: string,
  container = "",
  options: ForwardOptions & { readonly intervalMs?: number } = {},
): AsyncGenerator<PortChange, never> {
  const { intervalMs = INTERVAL_MS, signal } = options;
  let before = new Map<string, ListeningPort>();
  for (;;) {
    const { ports } = await listPorts(address, container, options);
    const now = new Map(ports.map((each) => [`${each.protocol} ${each.address} ${each.port}`, each]));
    for (const [key, port] of before) if (!now.has(key)) yield { action: "closed", ...port };
    for (const [key, port] of now) if (!before.has(key)) yield { action: "opened", ...port };
    before = now;
    await sleep(intervalMs, undefined, signal === undefined ? {} : { signal });
  }
}
