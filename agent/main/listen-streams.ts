import type { Fd } from "../kernel/kernel.ts";
import type { RealSys } from "../kernel/sys/sys.ts";
import { apiAddress, HOST_CID, hostAddress, type ListenOn } from "./listen.ts";
import type { Options } from "./options.ts";

/** Time limit for the first line on a unix socket. */
const LINE_MS = 2000;
const MAX_LINE = 12;

/** Takes a stream by its peer's port. Owns the descriptor, even if it throws. */
export type StreamListener = (port: number, fd: Fd) => void;

/** Returns the address to which the host connects streams: a port, or a unix socket named after that of the API. */
export function streamAddress(options: Options, port: number): string {
  const { serverAddress } = options;
  return serverAddress.startsWith("unix://") ? `${serverAddress}_${port}` : hostAddress(options, port);
}

/** Returns the address of guestd.v1.Streams; undefined if it is off, or if another listener has that port. */
export function attachAddress(options: Options): string | undefined {
  const { streamsPort, passfdPort, logPort, debugConsolePort } = options;
  const address = streamAddress(options, streamsPort);
  const others = [apiAddress(options), streamAddress(options, passfdPort)];
  others.push(hostAddress(options, logPort), hostAddress(options, debugConsolePort));
  return streamsPort === 0 || others.includes(address) ? undefined : address;
}

/** Accepts streams for stdio from the host alone. A unix socket has no ports, so its stream begins with a line that holds one. */
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

/** Reads byte by byte, as everything after the line belongs to the process. */
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
