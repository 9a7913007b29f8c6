import { type Extract, extract, type Header } from "tar-stream";
import { xattrsOf } from "./pax-records.ts";

/** A tar header, and where its content starts in the stream. The type is null if tar-stream doesn't know it. */
export interface TarHeader extends Omit<Header, "linkname" | "type" | "pax"> {
  readonly type: Header["type"] | null;
  readonly linkname: string | null;
  readonly byteOffset: number;
  readonly pax?: Readonly<Record<string, string>> | null;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Records of its own pax header, as they are in the archive: empty if it has none. */
  readonly records: Buffer;
}

export interface TarEntry {
  readonly header: TarHeader;
  /** The content; skipped unless it is read before the next entry is requested. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface TarOptions {
  /**
   * Refuses a stream that doesn't end in blocks of zeros: without them, a tar cut off between entries looks complete.
   */
  readonly endMark?: boolean | undefined;
  /** Reads names that are not in pax records as bytes (latin1); as UTF-8 otherwise. */
  readonly byteNames?: boolean;
}

/** Yields the entries of an uncompressed tar stream in order. Reads the stream to its end, including the padding. */
export async function* tarEntries(
  source: AsyncIterable<Uint8Array>,
  { endMark = false, byteNames = false }: TarOptions = {},
): AsyncGenerator<TarEntry> {
  // Tars from before POSIX have no magic number; the option is missing from the types.
  const filenameEncoding = byteNames ? "latin1" : "utf-8";
  const parser = extract({ allowUnknownFormat: true, filenameEncoding } as Parameters<typeof extract>[0]);
  const internals = parser as unknown as Internals;
  const takeRecords = catchRecords(internals);
  const whyFailed = keepError(parser);
  const fed = feed(source, parser);
  fed.catch((error: Error) => parser.destroy(error));
  try {
    for await (const entry of parser) {
      // tar-stream 3.2 returns null for a malformed binary size, and then waits forever for the end of the content.
      if (!Number.isSafeInteger(entry.header.size)) throw new Error("Invalid header: its size is not a number");
      const records = takeRecords();
      const header = { ...entry.header, records, xattrs: xattrsOf(records) } as unknown as TarHeader;
      yield { header, content: contentOf(entry, whyFailed) };
      entry.resume();
    }
    const bytes = await fed;
    if (endMark && (bytes === 0 || internals._header !== null))
      throw new Error("it has no end-of-archive mark: is it cut off?");
  } finally {
    parser.destroy();
  }
}

/** Yields an entry's bytes. One that is read after the parser has failed would only say that it was destroyed. */
async function* contentOf(entry: AsyncIterable<unknown>, whyFailed: () => Promise<Error | undefined>) {
  try {
    yield* entry as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw (await whyFailed()) ?? error;
  }
}

/** Keeps the first error of a parser. Returns a function that resolves with it once a failing parser has closed. */
function keepError(parser: Extract): () => Promise<Error | undefined> {
  let failure: Error | undefined;
  const closed = new Promise<void>((resolve) => parser.once("close", resolve));
  parser.on("error", (error) => {
    failure ??= error;
  });
  return async () => {
    await closed; // an entry fails only with its parser
    return failure;
  };
}

/**
 * Private members of tar-stream's parser. package.json pins its exact version because of them: tar-stream 3.2.2 decodes pax records
 * as text, which corrupts binary attributes such as capabilities, and does not limit long headers. node-tar decodes them as text, too.
 */
interface Internals {
  /** The last header; null after a block of zeros. */
  readonly _header: { readonly type: string } | null;
  _decodeLongHeader(records: Uint8Array): void;
}

const NONE = Buffer.alloc(0);

/** Limits for long headers, in bytes: each few bytes become a key of an object, for a global header in every entry. */
const MAX_BYTES: Readonly<Record<string, number>> = {
  "pax-header": 512 << 10,
  "pax-global-header": 4 << 10,
  "gnu-long-path": 8 << 10,
  "gnu-long-link-path": 8 << 10,
};

/**
 * Captures pax records before tar-stream decodes them. Returns a function that takes those since the last entry.
 */
function catchRecords(internals: Internals): () => Buffer {
  const decode = internals._decodeLongHeader;
  // Without this method the limits would not hold, and capabilities would be lost.
  if (typeof decode !== "function") throw new Error("unsupported version of tar-stream: it has no _decodeLongHeader");
  let captured = NONE;
  internals._decodeLongHeader = (records) => {
    const type = internals._header?.type ?? "";
    if (records.length > (MAX_BYTES[type] ?? 0))
      throw new Error(`Invalid header: a ${type} of ${records.length} bytes`);
    if (type === "pax-header") captured = Buffer.from(records);
    decode.call(internals, records);
  };
  return () => {
    const taken = captured;
    captured = NONE;
    return taken;
  };
}

/** Returns the number of bytes fed. */
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
