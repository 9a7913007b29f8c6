const XATTR = "SCHILY.xattr.";
const [SPACE, EQUALS] = [0x20, 0x3d];

/** Yields the records of a pax header ("LENGTH KEY=VALUE\n"); values are bytes. Ends at the first malformed one. */
export function* paxRecords(records: Buffer): Generator<readonly [key: string, value: Buffer]> {
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(SPACE, at);
    const length = space < 0 ? 0 : Number(records.toString("latin1", at, space));
    const end = at + length;
    const equals = records.indexOf(EQUALS, space);
    if (!Number.isSafeInteger(length) || end > records.length || equals < 0 || equals >= end) break;
    yield [records.toString("utf8", space + 1, equals), records.subarray(equals + 1, end - 1)];
    at = Math.max(end, equals + 1);
  }
}

/** Returns the extended attributes in the records of a pax header. Values are bytes, not text. */
export function xattrsOf(records: Buffer): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const [key, value] of paxRecords(records)) {
    if (key.startsWith(XATTR)) found.set(key.slice(XATTR.length), Uint8Array.from(value));
  }
  return found;
}

/** Encodes one record of a pax header. */
export function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length > length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
