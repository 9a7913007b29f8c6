import type { Fd } from "../kernel/kernel.ts";
import type { RealSys } from "../kernel/sys/sys.ts";
import type { ListenOn } from "./listen.ts";

/** VMADDR_CID_HOST. */
const HOST_CID = 2;
/** How long the first line of a unix socket may take. */
const LINE_MS = 2000;
const MAX_LINE = 12;

/** Takes a stream, by the port of the other side; its descriptor also when it throws. */
export type StreamListener = (port: number, fd: Fd) => void;

/** Where streams of the host come in: a vsock port, or a unix socket beside that of the API. */
export function streamAddress(serverAddress: string, port: number): string {
  return serverAddress.startsWith("unix://") ? `${serverAddress}_${port}` : `vsock://-1:${port}`;
}

/** Takes streams for stdio, of the host alone. A unix socket knows no ports: its stream begins with a line that has one. */
export function listenForStreams(sys: RealSys, listenOn: ListenOn, address: string, onStream: StreamListener): void {
  listenOn(address, (fd, cid) => {
    if (cid === undefined) void takeNumbered(sys, fd, onStream);
    else if (cid === HOST_CID) takeOfPort(sys, fd, onStream);
    else sys.close(fd);
  });
}

function takeOfPort(sys: RealSys, fd: Fd, onStream: StreamListener): void {
  let port: number;
  try {
    port = sys.peerPort(fd);
  } catch (error) {
    sys.close(fd);
    throw error;
  }
  onStream(port, fd);
}

async function takeNumbered(sys: RealSys, fd: Fd, onStream: StreamListener): Promise<void> {
  let port: number;
  try {
    port = Number(await readLine(sys, fd, AbortSignal.timeout(LINE_MS)));
    if (!Number.isInteger(port) || port <= 0 || port > 0xffffffff) throw new RangeError("no port");
  } catch {
    sys.close(fd);
    return;
  }
  try {
    onStream(port, fd);
  } catch (error) {
    process.emitWarning(`stream for stdio of port ${port}: ${(error as Error).message}`);
  }
}

/** Byte by byte: what follows the line is the process's. */
async function readLine(sys: RealSys, fd: Fd, signal: AbortSignal): Promise<string> {
  const byte = Buffer.alloc(1);
  for (let line = ""; line.length < MAX_LINE; ) {
    await sys.poll(fd, "read", signal);
    if (sys.read(fd, byte) !== 1) break;
    if (byte[0] === 10) return line;
    line += byte.toString("latin1");
  }
  throw new RangeError("no line");
}
