import { expect, test } from "vitest";
import { openSys } from "../../kernel/sys/sys.ts";
import { leavesNoDescriptors } from "../../kernel/testing/leaves-no-descriptors.ts";
import { FirstLine } from "./first-line.ts";

leavesNoDescriptors();
const sys = openSys();

function open() {
  const { read, write } = sys.pipe();
  return { line: new FirstLine(sys, read), write, say: (text: string) => sys.write(write, Buffer.from(text)) };
}

test.each([
  ["", ""],
  ["one", "one"],
  ["one\ntwo\n", "one"],
  ["\n \t\n  one \r\ntwo", "one"],
  ["x".repeat(513), "x".repeat(512)],
  [`${"x".repeat(511)}yz\n`, `${"x".repeat(511)}y`],
])("of %j the first line is %j", (text, expected) => {
  const { line, write, say } = open();
  say(text);
  sys.close(write);
  expect(line.close()).toBe(expected);
});

test("a line that arrives in pieces is kept whole, and its writer never blocks", async () => {
  const { line, write, say } = open();
  sys.setNonBlocking(write);
  for (const piece of ["fi", "rst", "\n"]) {
    say(piece);
    await expect.poll(() => sys.readable(write)).toBe(0);
  }
  for (let bytes = 0; bytes < 1 << 20; ) {
    const written = say("x".repeat(60_000));
    bytes += Math.max(written, 0);
    if (written < 0) await new Promise(setImmediate);
  }
  expect(line.close()).toBe("first");
  sys.close(write);
});
