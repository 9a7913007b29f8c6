import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openConversation } from "./read-conversation.ts";

const HEADER = '{"format":"guestd-conversation","version":1,"protocol":"ttrpc"}';

/** Reads a file of these lines to its end. Returns its entries, or the message of its error without the folder. */
async function read(...lines: readonly string[]): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), "guestd-read-"));
  try {
    writeFileSync(join(folder, "c.jsonl"), lines.join("\n"));
    const { entries } = await openConversation(join(folder, "c.jsonl"));
    return await Array.fromAsync(entries);
  } catch (error) {
    return (error as Error).message.replaceAll(`${folder}/`, "");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("numbers the lines, and accepts a last line without an end", async () => {
  const opened = '{"ms":1,"conn":1,"kind":"opened","protocol":"ttrpc"}';
  expect(await read(HEADER, opened, '{"ms":2,"conn":1,"kind":"closed"}')).toEqual([
    { line: 2, ms: 1, conn: 1, kind: "opened", protocol: "ttrpc" },
    { line: 3, ms: 2, conn: 1, kind: "closed" },
  ]);
});

test.each([
  [[""], "c.jsonl: empty; record a conversation with guestctl record"],
  [["{}"], 'c.jsonl:1: not a recorded conversation; its first line has no "format":"guestd-conversation"'],
  [
    [HEADER.replace('"version":1', '"version":2')],
    "c.jsonl:1: version 2 of the format, this guestctl reads 1; use a newer one",
  ],
  [[HEADER.replace("ttrpc", "http")], "c.jsonl:1: protocol: not ttrpc or grpc"],
  [[HEADER, "{"], /^c.jsonl:2:1:2: /],
  [[HEADER, "[]"], "c.jsonl:2: not an object"],
  [[HEADER, '{"ms":1,"conn":1,"kind":"toString"}'], /^c.jsonl:2: kind "toString": not one of opened, ended/],
  [
    [HEADER, '{"ms":1,"conn":1,"kind":"request","stream":1}'],
    "c.jsonl:2: service of request: missing, or not a string",
  ],
  [
    [HEADER, '{"ms":1,"conn":1,"kind":"request","stream":1,"service":"s","method":"m","message":[]}'],
    "c.jsonl:2: message of request: not of type object",
  ],
  [[HEADER, "x".repeat((8 << 20) + 70_000)], "c.jsonl:2: a line of over 8 MiB; no recording has one"],
])("reports an invalid file in one line that names the place: %#", async (lines, message) => {
  const found = await read(...lines);
  if (typeof message === "string") expect(found).toBe(message);
  else expect(found).toMatch(message);
});

test("reports a file that doesn't exist", async () => {
  await expect(openConversation("/nowhere/c.jsonl")).rejects.toThrow("read /nowhere/c.jsonl: ENOENT");
});
