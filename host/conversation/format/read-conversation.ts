import { createReadStream } from "node:fs";
import { isJsonObject, parseJson } from "../../../lib/parse-json.ts";
import { ConversationError } from "../conversation-error.ts";
import { type Entry, FORMAT, type Header, MAX_LINE_BYTES, VERSION } from "./conversation.ts";

/** An entry with its line number in the file. */
export type NumberedEntry = Entry & { readonly line: number };

export interface Conversation {
  readonly header: Header;
  /** Can be read once. */
  readonly entries: AsyncIterable<NumberedEntry>;
}

/** Opens a file and checks its header. It and its entries throw ConversationError that names the line. */
export async function openConversation(path: string): Promise<Conversation> {
  const lines = linesOf(path);
  const first = await lines.next();
  if (first.done === true) throw new ConversationError(`${path}: empty; record a conversation with guestctl record`);
  return { header: headerOf(first.value, path), entries: entriesOf(lines, path) };
}

/** Like `openConversation`, for the text of a small file. */
export function parseConversation(text: string, path: string): NumberedEntry[] {
  const [first = "", ...lines] = text.trimEnd().split("\n");
  headerOf(first, path);
  return lines.map((line, index) => ({ ...entryOf(line, `${path}:${index + 2}`), line: index + 2 }));
}

async function* entriesOf(lines: AsyncIterable<string>, path: string): AsyncGenerator<NumberedEntry> {
  let line = 1;
  for await (const text of lines) {
    line += 1;
    if (text !== "") yield { ...entryOf(text, `${path}:${line}`), line };
  }
}

/** Splits a file into lines of a bounded length. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let line = 1;
  const stream = createReadStream(path);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        yield Buffer.concat([...held, chunk.subarray(start, end)]).toString();
        [held, heldBytes, start, line] = [[], 0, end + 1, line + 1];
      }
      held.push(chunk.subarray(start));
      heldBytes += chunk.length - start;
      if (heldBytes > MAX_LINE_BYTES)
        throw new ConversationError(`${path}:${line}: a line of over 8 MiB; no recording has one`);
    }
  } catch (error) {
    if (error instanceof ConversationError) throw error;
    throw new ConversationError(`read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (heldBytes > 0) yield Buffer.concat(held).toString();
}

function headerOf(text: string, path: string): Header {
  const header = objectOf(text, `${path}:1`);
  if (header["format"] !== FORMAT) {
    throw new ConversationError(`${path}:1: not a recorded conversation; its first line has no "format":"${FORMAT}"`);
  }
  if (header["version"] !== VERSION) {
    const version = JSON.stringify(header["version"]);
    throw new ConversationError(
      `${path}:1: version ${version} of the format, this guestctl reads ${VERSION}; use a newer one`,
    );
  }
  const { protocol } = header;
  if (protocol !== "ttrpc" && protocol !== "grpc")
    throw new ConversationError(`${path}:1: protocol: not ttrpc or grpc`);
  return header as unknown as Header;
}

/** Fields that entries of a kind must have, by their type in JSON. */
const CALL = { stream: "number", service: "string", method: "string" };
const REQUIRED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  opened: {},
  ended: {},
  closed: {},
  request: CALL,
  response: CALL,
  error: { ...CALL, code: "number", text: "string" },
  raw: { direction: "string", length: "number" },
};
const OPTIONAL: Readonly<Record<string, string>> = {
  timeout_ms: "number",
  metadata: "object",
  message: "object",
  payload: "string",
};

function entryOf(text: string, at: string): Entry {
  const entry = objectOf(text, at);
  const kind = String(entry["kind"]);
  const required = Object.hasOwn(REQUIRED, kind) ? REQUIRED[kind] : undefined;
  if (required === undefined) {
    throw new ConversationError(
      `${at}: kind ${JSON.stringify(entry["kind"])}: not one of ${Object.keys(REQUIRED).join(", ")}`,
    );
  }
  for (const [name, type] of Object.entries({ ms: "number", conn: "number", ...required })) {
    if (typeof entry[name] !== type)
      throw new ConversationError(`${at}: ${name} of ${kind}: missing, or not a ${type}`);
  }
  for (const [name, type] of Object.entries(OPTIONAL)) {
    const value = entry[name];
    const fits = type === "object" ? isJsonObject(value) : typeof value === type;
    if (value !== undefined && !fits) throw new ConversationError(`${at}: ${name} of ${kind}: not of type ${type}`);
  }
  return entry as unknown as Entry;
}

function objectOf(text: string, at: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseJson(text, at);
  } catch (error) {
    throw new ConversationError((error as Error).message, { cause: error });
  }
  if (!isJsonObject(value)) throw new ConversationError(`${at}: not an object`);
  return value;
}
