import { createRequire } from "node:module";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { getSystemErrorName } from "node:util";

/** The calls of build/native/sys.node that a dial needs: numbers ≥ 0, or -errno. */
export interface VsockCalls {
  vsockSocket(): number;
  connectVsock(fd: number, cid: number, port: number): number;
  socketError(fd: number): number;
  socketPair(out: Int32Array, kind: 0 | 1): number;
  close(fd: number): number;
  readonly Poll: new (
    fd: number,
    callback: (status: number, events: number) => void,
  ) => { start(events: number): number; close(): number };
}

interface PipeHandle {
  open(fd: number): number;
  close(): void;
}
type PipeConstructor = new (kind: 0) => PipeHandle;

const EINPROGRESS = -115;
const WRITABLE = 2;

/** Connects AF_VSOCK, for `DialOptions.dialVsock`. Rejects with an Error of one line, or the signal's reason. */
export async function dialVsock(
  cid: number,
  port: number,
  signal: AbortSignal,
  calls: VsockCalls = load(),
): Promise<Duplex> {
  const fd = checked(calls.vsockSocket(), "socket");
  try {
    const status = calls.connectVsock(fd, cid, port);
    if (status === EINPROGRESS) {
      await writable(calls, fd, signal);
      checked(calls.socketError(fd), "connect");
    } else checked(status, "connect");
    return adopt(calls, fd);
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

function load(): VsockCalls {
  const path = fileURLToPath(new URL("../../build/native/sys.node", import.meta.url));
  try {
    return createRequire(import.meta.url)(path) as VsockCalls;
  } catch (error) {
    const [why] = (error as Error).message.split("\n");
    throw new Error(`vsock needs build/native/sys.node: ${why}: run "npm run build"`, { cause: error });
  }
}

function checked(result: number, call: string): number {
  if (result < 0) throw new Error(`${call}: ${getSystemErrorName(result)}`);
  return result;
}

function writable(calls: VsockCalls, fd: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      poll.close();
      signal.removeEventListener("abort", abort);
      end();
    };
    const abort = () => settle(() => reject(signal.reason));
    const poll = new calls.Poll(fd, () => settle(resolve));
    const status = poll.start(WRITABLE);
    if (status < 0) return settle(() => reject(new Error(`wait: ${getSystemErrorName(status)}`)));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
  });
}

/**
 * A stream over a descriptor that net.Socket refuses. libuv's pipe handle takes any; its constructor is reached through a
 * socket over a socketpair. These are private parts of Node, used as agent/kernel/streams.ts does, whose version is pinned.
 */
function adopt(calls: VsockCalls, fd: number): Duplex {
  const pair = new Int32Array(2);
  checked(calls.socketPair(pair, 0), "socketpair");
  const [ours = -1, other = -1] = pair;
  const probe = new Socket({ fd: ours, readable: false, writable: false }) as Socket & { _handle?: object | null };
  const Pipe = probe._handle?.constructor as PipeConstructor | undefined;
  probe.destroy();
  calls.close(other);
  if (Pipe?.name !== "Pipe") throw new Error(`Node ${process.version} cannot adopt a vsock descriptor: use Node 24`);
  const handle = new Pipe(0);
  checked(handle.open(fd), "adopt");
  const options: object = { handle, allowHalfOpen: true, readable: true, writable: true };
  return new Socket(options);
}
