import type { Duplex } from "node:stream";

/**
 * Connects AF_VSOCK, which Node can't: by the agent's own door to the kernel (build/native/sys.node), so that the
 * private parts of Node stand in one file. Loaded when it is first needed. Rejects with an Error of one line.
 */
export async function dialVsock(cid: number, port: number, signal: AbortSignal): Promise<Duplex> {
  const { connectVsock } = await import("../../agent/kernel/sys/streams.ts");
  return connectVsock({ cid, port }, signal);
}
