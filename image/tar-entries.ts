import { type Extract, extract, type Header } from "tar-stream";
import { xattrsOf } from "./tar-xattrs.ts";

/** What a header says, and where the content starts in the stream. A type that tar-stream doesn't know is null. */
export interface TarHeader extends Omit<Header, "linkname" | "type" | "pax"> {
  readonly type: Header["type"] | null;
  readonly linkname: string | null;
  readonly byteOffset: number;
  readonly pax?: Readonly<Record<string, string>> | null;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

export interface TarEntry {
  readonly header: TarHeader;
  /** Read it before the next entry is asked for, or it is passed over. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface TarOptions {
  /** A stream that does not end in blocks of zeros, as tar writes them, is refused: what is cut off between entries has none. */
  readonly endMark?: boolean | undefined;
}

/** The entries of an uncompressed tar stream, in order. The stream is read to its end, padding included. */
export async function* tarEntries(
  source: AsyncIterable<Uint8Array>,
  { endMark = false }: TarOptions = {},
): AsyncGenerator<TarEntry> {
  // Tars from before POSIX have no magic number; the option is missing in the types.
  const parser = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
  const inside = parser as unknown as Inside;
  const takeXattrs = catchXattrs(inside);
  const fed = feed(source, parser);
  fed.catch((error: Error) => parser.destroy(error));
  try {
    for await (const entry of parser) {
      // tar-stream 3.2 gives null for a malformed binary size, and then waits for ever for the content's end.
      if (!Number.isSafeInteger(entry.header.size)) throw new Error("Invalid header: its size is not a number");
      const header = { ...entry.header, xattrs: takeXattrs() } as unknown as TarHeader;
      yield { header, content: entry as AsyncIterable<Uint8Array> };
      entry.resume();
    }
    const bytes = await fed;
    if (endMark && (bytes === 0 || inside._header !== null)) throw new Error("it ends without its end mark: cut off?");
  } finally {
    parser.destroy();
  }
}

/** What is used of tar-stream's own. */
interface Inside {
  /** The last; null after a block of zeros. */
  readonly _header: { readonly type: string } | null;
  _decodeLongHeader(records: Uint8Array): void;
}

const NONE: ReadonlyMap<string, Uint8Array> = new Map();

/** Of headers of more than one block, which become objects with a key for each few bytes; a global one for every entry. */
const MAX_BYTES: Readonly<Record<string, number>> = {
  "pax-header": 512 << 10,
  "pax-global-header": 4 << 10,
  "gnu-long-path": 8 << 10,
  "gnu-long-link-path": 8 << 10,
};

/** tar-stream 3.2 reads all of pax as text, which breaks capabilities. Gives what came since the last entry. */
function catchXattrs(inside: Inside): () => ReadonlyMap<string, Uint8Array> {
  const decode = inside._decodeLongHeader;
  // Without it no limit below would hold, and capabilities would be lost.
  if (typeof decode !== "function") throw new Error("this version of tar-stream is not known: no _decodeLongHeader");
  let xattrs: ReadonlyMap<string, Uint8Array> = NONE;
  inside._decodeLongHeader = (records) => {
    const type = inside._header?.type ?? "";
    if (records.length > (MAX_BYTES[type] ?? 0))
      throw new Error(`Invalid header: a ${type} of ${records.length} bytes`);
    if (type === "pax-header") xattrs = xattrsOf(Buffer.from(records));
    decode.call(inside, records);
  };
  return () => {
    const taken = xattrs;
    xattrs = NONE;
    return taken;
  };
}

/** Gives how many bytes there were. */
async function feed(source: AsyncIterable<Uint8Array>, parser: Extract): Promise<number> {
  let bytes = 0;
  for await (const chunk of source) {
    if (parser.destroyed) return bytes;
    bytes += chunk.length;
    if (!parser.write(chunk)) await drained(parser);
  }
  parser.end(null);
  return bytes;
}

function drained(parser: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      parser.off("drain", done);
      parser.off("close", done);
      resolve();
    };
    parser.on("drain", done);
    parser.on("close", done);
  });
}
