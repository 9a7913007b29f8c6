const PREFIX = "SCHILY.xattr.";
const [SPACE, EQUALS] = [0x20, 0x3d];

/**
 * Returns the extended attributes in the records of a pax header ("LENGTH KEY=VALUE\n"). Values are bytes, not text.
 */
export function xattrsOf(records: Buffer): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (let at = 0; at < records.length; ) {
    const space = records.indexOf(SPACE, at);
    const length = space < 0 ? 0 : Number(records.toString("latin1", at, space));
    const end = at + length;
    const equals = records.indexOf(EQUALS, space);
    if (!Number.isSafeInteger(length) || end > records.length || equals < 0 || equals >= end) break;
    const key = records.toString("utf8", space + 1, equals);
    if (key.startsWith(PREFIX))
      found.set(key.slice(PREFIX.length), Uint8Array.from(records.subarray(equals + 1, end - 1)));
    at = Math.max(end, equals + 1);
  }
  return found;
}
