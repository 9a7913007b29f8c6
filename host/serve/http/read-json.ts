import type { IncomingMessage } from "node:http";
import { isJsonObject } from "../../../lib/parse-json.ts";
import { RequestFailure } from "../request-failure.ts";

/** Most bytes of a JSON body, and how long it may take. */
const MAX_BYTES = 64 * 1024;
const BODY_MS = 10_000;

/** Reads a JSON object. Throws RequestFailure. */
export async function readJson(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const late = setTimeout(() => request.destroy(), BODY_MS);
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new RequestFailure(413, `the body has more than ${MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (isJsonObject(value)) return value;
    throw new RequestFailure(400, "the body is no JSON object");
  } catch (error) {
    if (error instanceof SyntaxError) throw new RequestFailure(400, "the body is no JSON");
    throw error;
  } finally {
    clearTimeout(late);
  }
}
