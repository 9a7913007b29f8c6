import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, parseAddress } from "./address.ts";
import { readLine } from "./read-head.ts";
import { connectSingleBuffer } from "./single-buffer-socket.ts";

/** Time limit for a whole dial, including a VMM's answer; the same as in Kata's hosts. */
const DIAL_TIMEOUT_MS = 10_000;

const RETRY_MS = 5;

/** A dial that failed, as one line. */
export class DialError extends Error {
  override readonly name = "DialError";
}

export interface DialOptions {
  /** Time limit for the whole dial; 10 s by default. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Lets chunks of "data" events be valid only until the listener returns, and as long as the stream is paused; faster. */
  readonly singleBuffer?: boolean;
  /** Connects AF_VSOCK instead of the built-in function. Must honour the signal. */
  readonly dialVsock?: ((cid: number, port: number, signal: AbortSignal) => Promise<Duplex>) | undefined;
}

/**
 * Connects to an agent at `unix:///path`, `unix://@name`, `vsock://cid:port` or `hvsock:///path/to/socket:port`. The
 * caller owns the stream. Throws TypeError for an invalid address, otherwise DialError.
 */
export async function dial(address: string, options: DialOptions = {}): Promise<Duplex> {
  const target = parseAddress(address);
  const stop = new AbortController();
  const cancel = () => stop.abort(options.signal?.reason);
  options.signal?.addEventListener("abort", cancel, { once: true });
  let isLate = false;
  const onLate = () => {
    isLate = true;
    stop.abort(new Error("no answer in time"));
  };
  // The timer of AbortSignal.timeout would go on after a dial that succeeds, and create an error then.
  const timer = setTimeout(onLate, options.timeoutMs ?? DIAL_TIMEOUT_MS).unref();
  try {
    options.signal?.throwIfAborted();
    return await open(target, options, stop.signal);
  } catch (error) {
    const why = isLate ? "no answer in time" : (error as Error).message;
    throw new DialError(`dial ${address}: ${why}`, { cause: error });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", cancel);
  }
}

function open(target: Address, options: DialOptions, signal: AbortSignal): Promise<Duplex> {
  switch (target.kind) {
    case "unix":
      return connectUnix(target.path, options, signal);
    case "hvsock":
      return connectHybrid(target, options, signal);
    case "vsock":
      return (options.dialVsock ?? dialVsock)(target.cid, target.port, signal);
  }
}

/** Retries EAGAIN, which a listener with a full backlog returns at once, as a blocking connect would wait. */
async function connectUnix(path: string, options: DialOptions, signal: AbortSignal): Promise<Duplex> {
  for (;;) {
    try {
      return await connectUnixOnce(path, options, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

function connectUnixOnce(path: string, { singleBuffer }: DialOptions, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = singleBuffer ? connectSingleBuffer(path) : connect({ path });
    const abort = (): void => void socket.destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Opens hybrid vsock: sends a CONNECT line and waits for an OK line; after that the stream is the guest's. */
async function connectHybrid(
  { path, port }: { readonly path: string; readonly port: number },
  options: DialOptions,
  signal: AbortSignal,
): Promise<Duplex> {
  const socket = await connectUnix(path, options, signal);
  try {
    socket.write(`CONNECT ${port}\n`);
    const line = await readLine(socket, signal, {
      peer: "the VMM",
      remedy: "check that the guest listens on the port",
    });
    if (!line.includes("OK")) throw new Error(`the VMM answered ${JSON.stringify(line)} to CONNECT ${port}`);
    return socket;
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
}

/**
 * Connects AF_VSOCK, which Node can't, with the agent's addon (build/native/sys.node), loaded on first use. Going
 * through the agent's module keeps all use of Node's internals in one file. Rejects with a one-line Error.
 */
async function dialVsock(cid: number, port: number, signal: AbortSignal): Promise<Duplex> {
  const { connectVsock } = await import("../../agent/kernel/sys/streams.ts");
  return connectVsock({ cid, port }, signal);
}
