import { expect, it } from "vitest";
import { plainText } from "./plain-text.ts";

it("removes escape sequences, and makes other control characters visible", () => {
  expect(plainText("\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b(B\r")).toBe("red link");
  expect(plainText("a\tb\x00c\u202ed\x1b")).toBe("a\tb\\u0000c\\u202ed\\u001b");
});
