import { expect, test } from "vitest";
import { readCpio } from "./read-cpio.ts";

interface Entry {
  readonly name: string;
  readonly inode?: number;
  readonly mode?: number;
  readonly content?: string;
}

function archive(entries: readonly Entry[]): Buffer {
  const pieces = [...entries, { name: "TRAILER!!!" }].map(
    ({ name, inode = 0, mode = 0o100_644, content = "" }: Entry) => {
      const links = inode === 0 ? 1 : 2;
      const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
      const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
      const padded = header.padEnd(Math.ceil(header.length / 4) * 4, "\0") + content;
      return padded.padEnd(Math.ceil(padded.length / 4) * 4, "\0");
    },
  );
  return Buffer.from(pieces.join(""), "latin1");
}

test("reads many hard links in linear time", () => {
  const names = Array.from({ length: 100_000 }, (_, at) => ({
    name: `f${at}`,
    inode: 1 + (at % 50_000),
    content: "x",
  }));
  const tree = readCpio(archive(names));
  expect(tree.size).toBe(100_000);
  expect(tree.get("f0")).toBe(tree.get("f50000"));
  expect(tree.get("f0")).not.toBe(tree.get("f1"));
});

test("gives all names of a file its content, whichever entry has it, except a name that a later entry replaces", () => {
  const tree = readCpio(
    archive([
      { name: "a", inode: 1 },
      { name: "b", inode: 1 },
      { name: "c", inode: 1, content: "text" },
      { name: "d", inode: 1 },
      { name: "b", content: "own" },
    ]),
  );
  const texts = [...tree].map(([path, entry]) => [path, entry.type === "file" ? entry.content.toString() : ""]);
  expect(Object.fromEntries(texts)).toEqual({ a: "text", b: "own", c: "text", d: "text" });
  expect(tree.get("a")).toBe(tree.get("d"));
});
