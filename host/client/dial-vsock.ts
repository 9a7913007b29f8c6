import type { Duplex } from "node:stream";

/**
 * Connects AF_VSOCK, which Node can't, with the agent's addon (build/native/sys.node), loaded on first use. Going
 * through the agent's module keeps all use of Node's internals in one file. Rejects with a one-line Error.
 */
export async function dialVsock(cid: number, port: number, signal: AbortSignal): Promise<Duplex> {
  const { connectVsock } = await import("../../agent/kernel/streams.ts");
  return connectVsock({ cid, port }, signal);
}
