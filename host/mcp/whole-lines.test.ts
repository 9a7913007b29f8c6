import { finished } from "node:stream/promises";
import { expect, test } from "vitest";
import { wholeLines } from "./whole-lines.ts";

/** Returns what a stream passes on of the chunks, chunk by chunk. */
async function passed(limit: number, ...chunks: string[]): Promise<string[]> {
  const lines = wholeLines(limit);
  const texts: string[] = [];
  lines.on("data", (chunk) => texts.push(String(chunk)));
  for (const chunk of chunks) lines.write(chunk);
  lines.end();
  await finished(lines);
  return texts;
}

test.each([
  ["a line in parts is passed on once", ["a", "b", "c\n"], ["abc\n"]],
  [
    "the lines of a chunk are passed on together, after the one that it ends",
    ["a", "b\nc\nd\ne", "f\n"],
    ["ab\n", "c\nd\n", "ef\n"],
  ],
  ["a line without an end is passed on at the end", ["a\nb", "c"], ["a\n", "bc"]],
  ["a line over the limit is passed on before its end", ["123", "456", "78\n9\n"], ["123456", "78\n", "9\n"]],
])("%s", async (_, chunks, texts) => expect(await passed(5, ...chunks)).toEqual(texts));
