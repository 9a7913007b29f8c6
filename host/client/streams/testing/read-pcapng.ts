/** A packet of a pcapng file, as this project writes them. */
export interface ReadPacket {
  readonly interfaceName: string;
  readonly seconds: number;
  /** Bytes on the wire after the link header. */
  readonly original: number;
  /** LINUX_SLL's kind: 0 is to this machine, 4 is sent by it. */
  readonly direction: number;
  /** Everything after the link header. */
  readonly bytes: Buffer;
}

/** Returns the packets of a pcapng file, and the names of its interfaces. Throws unless it consists of whole blocks. */
export function readPcapng(file: Buffer): { readonly interfaces: string[]; readonly packets: ReadPacket[] } {
  const interfaces: string[] = [];
  const packets: ReadPacket[] = [];
  for (let at = 0; at < file.length; ) {
    const [type, length] = [file.readUInt32LE(at), file.readUInt32LE(at + 4)];
    if (length % 4 !== 0 || file.readUInt32LE(at + length - 4) !== length) throw new Error(`no block at ${at}`);
    const body = file.subarray(at + 8, at + length - 4);
    if (type === 1) interfaces.push(body.toString("utf8", 12, 12 + body.readUInt16LE(10)));
    else if (type === 6) packets.push(packetOf(body, interfaces));
    else if (at > 0 || type !== 0x0a0d_0d0a) throw new Error(`a block of type ${type} at ${at}`);
    at += length;
  }
  return { interfaces, packets };
}

function packetOf(body: Buffer, interfaces: readonly string[]): ReadPacket {
  const [index = 0, high = 0, low = 0, kept = 0, original = 0] = [0, 4, 8, 12, 16].map((at) => body.readUInt32LE(at));
  const interfaceName = interfaces[index];
  if (interfaceName === undefined) throw new Error(`a packet of interface ${index}, which the file does not describe`);
  return {
    interfaceName,
    seconds: Number(((BigInt(high) << 32n) | BigInt(low)) / 1_000_000_000n),
    original: original - 16,
    direction: body.readUInt16BE(20),
    bytes: body.subarray(20 + 16, 20 + kept),
  };
}
