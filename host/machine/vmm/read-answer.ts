import type { IncomingMessage } from "node:http";

/** Maximum size of an answer in bytes. The longest, a machine's configuration, has a few thousand. */
const MAX_BYTES = 1 << 20;

/** Reads an answer's whole body. Rejects if it is too long or the connection ends before its end. */
export async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`an answer of over ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
