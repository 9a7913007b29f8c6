import headless from "@xterm/headless";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isOverfull, terminalLines } from "./terminal-lines.ts";

const SIZE = { rows: 4, cols: 20 };
// biome-ignore lint/suspicious/noControlCharactersInRegex: the only sequences that may reach the user's terminal
const STYLES = /\x1b\[0(;\d+)*m/g;

async function terminal(...written: readonly (string | Uint8Array)[]) {
  const made = new headless.Terminal({ ...SIZE, scrollback: 0, allowProposedApi: true });
  for (const each of written) await new Promise<void>((resolve) => made.write(each, resolve));
  return made;
}

test("shows text with its colours, and the cursor inverted", async () => {
  const [first, second] = terminalLines(await terminal("\x1b[1;31mred\x1b[m x\r\n\x1b[38;2;1;2;3mrgb"), true);
  expect(first).toBe(`\x1b[0;1;38;5;1mred\x1b[0m x${" ".repeat(15)}`);
  expect(second).toBe(`\x1b[0;38;2;1;2;3mrgb\x1b[0;7m \x1b[0m${" ".repeat(16)}`);
});

test("without colours the cursor is a block, and there are no sequences", async () => {
  const lines = terminalLines(await terminal("\x1b[31mred"), false);
  expect(lines[0]).toBe(`red█${" ".repeat(16)}`);
});

test("nothing that a container prints reaches the user's terminal but characters and their attributes", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.constantFrom(
      "\x1b]52;c;aGVsbG8=\x07",
      "\x1b]0;title\x07",
      "\x1bc",
      "\x1b[?1049h",
      "\x9b31m",
      "\x1b[6n",
      "\x1bP$q\x1b\\",
    ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { maxLength: 6 }), fc.boolean(), async (written, hasColors) => {
      const lines = terminalLines(await terminal(...written), hasColors);
      expect(lines).toHaveLength(SIZE.rows);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be left
      for (const line of lines) expect(line.replace(STYLES, "")).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    }),
  );
});

test("marks without end on one letter are not all shown, and are noticed", async () => {
  const some = await terminal(`e${"\u0301".repeat(20)}`);
  const many = await terminal(`e${"\u0301".repeat(10_000)}`);
  expect([some, many].map(isOverfull)).toEqual([false, true]);
  for (const each of [some, many])
    expect(terminalLines(each, false)[0]).toBe(`e${"\u0301".repeat(15)}█${" ".repeat(18)}`);
  many.reset();
  expect(isOverfull(many)).toBe(false);
});
