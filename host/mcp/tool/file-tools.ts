import { isUtf8 } from "node:buffer";
import { posix } from "node:path";
import { z } from "zod";
import { SandboxError } from "../../sdk/error/sandbox-error.ts";
import { sandboxError } from "../../sdk/error/to-sandbox-error.ts";
import type { Sandbox } from "../../sdk/sandbox/sandbox.ts";
import { wholeEnd } from "../output/bounded-output.ts";
import { defineTool } from "./define-tool.ts";
import { sandboxName, sandboxPath, timeoutSeconds, wholeNumber } from "./fields.ts";

const READ_BYTES = 64 << 10;
const MAX_READ_BYTES = 1 << 20;
const MAX_WRITE_CHARACTERS = 4 << 20;
const ENTRIES = 200;

const encoding = z.enum(["utf8", "base64"]).default("utf8");

export const fileTools = [
  defineTool({
    name: "file_read",
    title: "Read a file",
    description:
      "Reads a file of a sandbox, or a part of it. The result says what was left out, and where to continue.",
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      path: sandboxPath("Absolute path of the file"),
      offset: wholeNumber(0, Number.MAX_SAFE_INTEGER, "First byte to read").default(0),
      max_bytes: wholeNumber(4, MAX_READ_BYTES, `Most bytes to read; by default ${READ_BYTES}`).default(READ_BYTES),
      encoding: encoding.describe("base64 for files that aren't UTF-8 text"),
      timeout_seconds: timeoutSeconds(60),
    }),
    output: z.object({
      content: z.string(),
      encoding: z.enum(["utf8", "base64"]),
      offset: z.number(),
      bytes: z.number().describe("Bytes of the file that the content stands for"),
      file_bytes: z.number().describe("Size of the file"),
      left_out_bytes: z.number().describe("Bytes of the file after the content"),
      next_offset: z.number().optional().describe("Where to continue, if bytes were left out"),
    }),
    async call({ sandbox: name, path, offset, max_bytes, encoding, timeout_seconds }, { session, signal }) {
      const { sandbox } = session.get(name);
      const limits = { timeoutMs: timeout_seconds * 1000, signal };
      const { size } = await sandbox.files.stat(path, limits);
      const read = await readPart(sandbox, path, { offset, maxBytes: max_bytes }, limits);
      const end = offset + read.length;
      const part = encoding === "utf8" && end < size ? wholeEnd(read) : read;
      if (encoding === "utf8" && !isUtf8(part)) {
        const what = `file_read: ${path} is not UTF-8 text from byte ${offset} on`;
        throw new SandboxError("invalid-argument", what, { remedy: "read it with encoding base64" });
      }
      const next = offset + part.length;
      const leftOut = Math.max(0, size - next);
      return {
        content: part.toString(encoding),
        encoding,
        offset,
        bytes: part.length,
        file_bytes: size,
        left_out_bytes: leftOut,
        ...(leftOut > 0 && { next_offset: next }),
      };
    },
  }),
  defineTool({
    name: "file_write",
    title: "Write a file",
    description: "Writes a file of a sandbox, and creates the directories above it.",
    annotations: { readOnlyHint: false, destructiveHint: true, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      path: sandboxPath("Absolute path of the file"),
      content: z.string().max(MAX_WRITE_CHARACTERS).describe(`At most ${MAX_WRITE_CHARACTERS} characters`),
      encoding: encoding.describe("base64 for bytes"),
      mode: z
        .enum(["replace", "append", "create"])
        .default("replace")
        .describe("create fails if the file exists; by default its content is replaced"),
      permissions: z
        .string()
        .regex(/^[0-7]{3,4}$/, "is not octal")
        .default("644")
        .describe("Of a new file, in octal"),
      timeout_seconds: timeoutSeconds(60),
    }),
    output: z.object({ path: z.string(), written_bytes: z.number() }),
    async call({ sandbox: name, path, content, encoding, mode, permissions, timeout_seconds }, { session, signal }) {
      const { files } = session.get(name).sandbox;
      const bytes = encoding === "utf8" ? Buffer.from(content) : fromBase64(content);
      const limits = { timeoutMs: timeout_seconds * 1000, signal };
      const how = mode === "replace" ? "truncate" : mode;
      const folder = posix.dirname(path);
      if (folder !== "/") await files.mkdir(folder, { parents: true, ...limits });
      await files.write(path, bytes, { how, mode: Number.parseInt(permissions, 8), ...limits });
      return { path, written_bytes: bytes.length };
    },
  }),
  defineTool({
    name: "file_list",
    title: "List a directory",
    description: "Lists a directory of a sandbox by name. The result says how many entries were left out.",
    annotations: { readOnlyHint: true, openWorldHint: false },
    input: z.strictObject({
      sandbox: sandboxName,
      path: sandboxPath("Absolute path of the directory"),
      after: z.string().optional().describe("Lists the names after this one"),
      max_entries: wholeNumber(1, 2000, `Most entries; by default ${ENTRIES}`).default(ENTRIES),
      timeout_seconds: timeoutSeconds(60),
    }),
    output: z.object({
      entries: z.array(
        z.object({
          name: z.string(),
          type: z.enum(["file", "directory", "link", "other"]),
          bytes: z.number(),
          permissions: z.string().describe("In octal"),
          modified: z.string(),
        }),
      ),
      left_out_entries: z.number().describe("Entries after the last one; list them with after"),
    }),
    async call({ sandbox, path, after = "", max_entries, timeout_seconds }, { session, signal }) {
      const { files } = session.get(sandbox).sandbox;
      const listed = await files.list(path, { timeoutMs: timeout_seconds * 1000, signal });
      const sorted = listed.toSorted((a, b) => (a.name < b.name ? -1 : 1)).filter(({ name }) => name > after);
      const entries = sorted.slice(0, max_entries).map(({ name, type, size, mode, modified }) => {
        return { name, type, bytes: size, permissions: mode.toString(8), modified: modified.toISOString() };
      });
      return { entries, left_out_entries: sorted.length - entries.length };
    },
  }),
];

async function readPart(
  sandbox: Sandbox,
  path: string,
  { offset, maxBytes }: { readonly offset: number; readonly maxBytes: number },
  limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let [skip, missing] = [offset, maxBytes];
  for await (const bytes of sandbox.files.stream(path, limits)) {
    const piece = bytes.subarray(skip, skip + missing);
    skip = Math.max(0, skip - bytes.length);
    missing -= piece.length;
    pieces.push(piece);
    if (missing === 0) break;
  }
  return Buffer.concat(pieces);
}

function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  const plain = (each: string) => each.replaceAll(/[\s=]/g, "");
  if (plain(bytes.toString("base64")) === plain(text)) return bytes;
  throw sandboxError("invalid-argument", "file_write: content is not base64");
}
