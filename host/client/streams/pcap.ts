/** Bytes before a packet in a record: seconds, nanoseconds, bytes kept, bytes on the wire. */
export const RECORD_HEADER = 16;
/** Header of LINKTYPE_LINUX_SLL2 before each packet: protocol, interface, kind of link, direction, sender. */
export const LINK_HEADER = 20;
/** Most bytes of a packet after its link header. */
export const MAX_SNAP = 65_500;

/** Returns where each of the packets in `bytes` ends; undefined unless all are whole and have possible lengths and times. */
export function recordEnds(bytes: Buffer, snapLength: number): number[] | undefined {
  const ends: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < RECORD_HEADER + LINK_HEADER) return undefined;
    const [nanoseconds, kept, original] = [4, 8, 12].map((offset) => bytes.readUInt32LE(at + offset));
    if (nanoseconds === undefined || kept === undefined || original === undefined) return undefined;
    if (nanoseconds >= 1e9 || kept < LINK_HEADER || kept > snapLength + LINK_HEADER || original < kept)
      return undefined;
    at += RECORD_HEADER + kept;
    if (at > bytes.length) return undefined;
    ends.push(at);
  }
  return ends;
}
