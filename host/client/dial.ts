import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, parseAddress } from "./address.ts";
import { dialVsock } from "./dial-vsock.ts";

/** Limit of a dial, and of the wait for a VMM's answer. What Kata's hosts give. */
const DIAL_TIMEOUT_MS = 10_000;

const RETRY_MS = 5;

/** The longest line of a VMM that is read: "OK 1073741824\n" is 14 bytes. */
const MAX_LINE_BYTES = 256;

export interface DialOptions {
  /** For the whole dial. 10 s when not given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Connects AF_VSOCK; our own when left out. Must keep to the signal. */
  readonly dialVsock?: (cid: number, port: number, signal: AbortSignal) => Promise<Duplex>;
}

/**
 * Connects to an agent: `unix:///path`, `unix://@name`, `vsock://cid:port`, `hvsock:///path/to/socket:port`. The
 * caller owns the stream. Throws TypeError for a bad address, else Error of one line.
 */
export async function dial(address: string, options: DialOptions = {}): Promise<Duplex> {
  const target = parseAddress(address);
  const limit = AbortSignal.timeout(options.timeoutMs ?? DIAL_TIMEOUT_MS);
  const signal = options.signal === undefined ? limit : AbortSignal.any([limit, options.signal]);
  try {
    signal.throwIfAborted();
    return await open(target, options, signal);
  } catch (error) {
    const why = limit.aborted ? "no answer in time" : (error as Error).message;
    throw new Error(`dial ${address}: ${why}`, { cause: error });
  }
}

function open(target: Address, options: DialOptions, signal: AbortSignal): Promise<Duplex> {
  switch (target.kind) {
    case "unix":
      return connectUnix(target.path, signal);
    case "hvsock":
      return connectHybrid(target.path, target.port, signal);
    case "vsock":
      return (options.dialVsock ?? dialVsock)(target.cid, target.port, signal);
  }
}

/** A listener whose backlog is full says EAGAIN at once: asked again a moment later, as a blocking connect would. */
async function connectUnix(path: string, signal: AbortSignal): Promise<Duplex> {
  for (;;) {
    try {
      return await connectUnixOnce(path, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

function connectUnixOnce(path: string, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
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

/** Hybrid vsock: a line there, a line back that says OK, then the stream is the guest's. */
async function connectHybrid(path: string, port: number, signal: AbortSignal): Promise<Duplex> {
  const socket = await connectUnix(path, signal);
  try {
    socket.write(`CONNECT ${port}\n`);
    const line = await readLine(socket, signal);
    if (!line.includes("OK")) throw new Error(`the VMM answered ${JSON.stringify(line)} to CONNECT ${port}`);
    return socket;
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
}

/** One line, without its end. Bytes behind it stay in the stream. */
function readLine(socket: Duplex, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen: Buffer = Buffer.alloc(0);
    let done = false;
    const finish = (settle: () => void): void => {
      done = true;
      socket.off("readable", onReadable).off("end", onEnd).off("error", onError);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    const onReadable = (): void => {
      while (!done) {
        const chunk = socket.read() as Buffer | null;
        if (chunk === null) break;
        seen = Buffer.concat([seen, chunk]);
        const end = seen.indexOf(10);
        if (end !== -1) {
          socket.unshift(seen.subarray(end + 1));
          finish(() => resolve(seen.toString("latin1", 0, end).trimEnd()));
        } else if (seen.length >= MAX_LINE_BYTES) {
          finish(() => reject(new Error(`the VMM sent ${MAX_LINE_BYTES} bytes without a line end`)));
        }
      }
    };
    const onEnd = (): void =>
      finish(() => reject(new Error("the VMM closed the connection: does anything listen on the port in the guest?")));
    const onError = (error: Error): void => finish(() => reject(error));
    const onAbort = (): void => finish(() => reject(signal.reason));
    socket.on("readable", onReadable).on("end", onEnd).on("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
