import { closeSync, openSync, readSync } from "node:fs";

/** Most bytes read of each file: the kernel lists listening TCP sockets first. */
const MAX_TEXT = 65_536;
const MAX_PORTS = 512;
/** TCP_LISTEN, and TCP_CLOSE, which is an unconnected UDP socket. */
const LISTENING = { tcp: "0A", udp: "07" } as const;
const FILES = ["tcp", "tcp6", "udp", "udp6"] as const;

export interface ListeningPort {
  readonly protocol: (typeof FILES)[number];
  readonly address: string;
  readonly port: number;
}

export interface ListeningPorts {
  readonly ports: readonly ListeningPort[];
  /** True if there may be more. */
  readonly truncated: boolean;
}

/** Returns the ports on which processes of a network namespace listen; `folder` is its /proc/PID/net. */
export function listeningPorts(folder: string): ListeningPorts {
  let truncated = false;
  const ports = FILES.flatMap((protocol) => {
    const text = readBeginning(`${folder}/${protocol}`);
    const found = parseSockets(protocol, text);
    // The last line read is not a listening one if all of those were read.
    if (text.length === MAX_TEXT && found.isLastListening) truncated = true;
    return found.ports;
  });
  const distinct = [...new Map(ports.map((it) => [`${it.protocol} ${it.address} ${it.port}`, it])).values()];
  return { ports: distinct.slice(0, MAX_PORTS), truncated: truncated || distinct.length > MAX_PORTS };
}

/** Parses /proc/PID/net/{tcp,udp}{,6}. Exported for its test. */
export function parseSockets(protocol: ListeningPort["protocol"], text: string) {
  const wanted = LISTENING[protocol.startsWith("tcp") ? "tcp" : "udp"];
  const ports: ListeningPort[] = [];
  let isLastListening = false;
  for (const [, hex = "", port = "", state] of text.matchAll(
    /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /gm,
  )) {
    isLastListening = state === wanted;
    const address = hex.length === 8 ? inet(hex) : inet6(hex);
    if (isLastListening) ports.push({ protocol, address, port: Number.parseInt(port, 16) });
  }
  return { ports, isLastListening };
}

/** Bytes of an address whose 32-bit words the kernel prints as numbers of this machine, which is little-endian. */
const bytesOf = (hex: string) => Buffer.from(hex, "hex").swap32();

const inet = (hex: string) => [...bytesOf(hex)].join(".");

function inet6(hex: string): string {
  const bytes = bytesOf(hex);
  if (bytes.every((byte, at) => byte === (at === 15 ? 1 : 0))) return "::1";
  if (bytes.every((byte) => byte === 0)) return "::";
  return Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(":");
}

function readBeginning(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return ""; // a kernel without IPv6
    throw error;
  }
  try {
    const buffer = Buffer.alloc(MAX_TEXT);
    let length = 0;
    for (let count = -1; count !== 0 && length < MAX_TEXT; length += count) {
      count = readSync(fd, buffer, length, MAX_TEXT - length, null);
    }
    return buffer.toString("latin1", 0, length);
  } finally {
    closeSync(fd);
  }
}
