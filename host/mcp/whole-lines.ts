import { Transform } from "node:stream";

const NEWLINE = 0x0a;

/**
 * Passes bytes on in whole lines. A reader that searches and copies its buffer for each chunk, as that of MCP's SDK, then does so
 * once for a line. A line of more than `limit` bytes is passed on unfinished, so that the reader can refuse it.
 */
export function wholeLines(limit: number): Transform {
  let begun: Buffer[] = [];
  let bytes = 0;
  const take = (more: Buffer) => {
    const line = Buffer.concat([...begun, more]);
    begun = [];
    bytes = 0;
    return line;
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const first = chunk.indexOf(NEWLINE) + 1;
      const last = chunk.lastIndexOf(NEWLINE) + 1;
      if (first > 0) this.push(take(chunk.subarray(0, first)));
      if (last > first) this.push(chunk.subarray(first, last));
      const rest = chunk.subarray(last);
      if (rest.length > 0) begun.push(rest);
      bytes += rest.length;
      if (bytes > limit) this.push(take(Buffer.alloc(0)));
      done();
    },
    flush(done) {
      if (bytes > 0) this.push(take(Buffer.alloc(0)));
      done();
    },
  });
}
