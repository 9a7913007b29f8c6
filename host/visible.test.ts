import { expect, test } from "vitest";
import { visible, visibleLine } from "./visible.ts";

test("keeps ordinary text of any language", () => {
  const text = "Ünïcödé → 日本語 \u{1f600}\tcolumn\n";
  expect(visible(text)).toBe(text);
});

test.each([
  ["\u001b]0;title\u0007", "\\u001b]0;title\\u0007"],
  ["\u001b[2J\rok", "\\u001b[2J\\u000dok"],
  ["\u009b2J\u0085", "\\u009b2J\\u0085"],
  ["\u202egnp.exe\u202c", "\\u202egnp.exe\\u202c"],
  ["a\u0000b\u007f", "a\\u0000b\\u007f"],
])("escapes characters that control a terminal: %j", (text, shown) => {
  expect(visible(text)).toBe(shown);
});

test("keeps a line on one line, and JSON valid", () => {
  expect(visibleLine("a\nguestctl: fake\tb")).toBe("a\\u000aguestctl: fake\\u0009b");
  const value = { text: "\u009b\u202e\u001b\n" };
  expect(JSON.parse(visible(JSON.stringify(value, null, 2)))).toEqual(value);
});
