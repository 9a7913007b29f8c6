import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "./parse-json.ts";

function refusal(text: string): string {
  try {
    parseJson(text, "a.json");
  } catch (error) {
    return (error as SyntaxError).message;
  }
  return "";
}

test.each([
  ['{\n  "a": 1,\n  b: 2\n}', "a.json:3:3: Expected double-quoted property name"],
  ['{\n  "args": [\n    "sleep" "5"\n  ]\n}', "a.json:3:13: Expected ',' or ']' after array element"],
  [
    '{"before": ["more than V8 quotes of a text, which is 40 characters"],\n\n  "a":\n\n  x\n}',
    "a.json:5:3: Unexpected token 'x'",
  ],
  ["[1,\n2,\n]", "a.json:3:1: Unexpected token ']'"],
  ["[\n\n\n\"',\n", "a.json:4:4: Bad control character in string literal"],
  ["[1]\n\n 2", "a.json:3:2: Unexpected non-whitespace character after JSON"],
  ["{}}", "a.json:1:3: Unexpected non-whitespace character after JSON"],
  ['{"a": [1,\n', "a.json:2:1: Unexpected end of JSON input"],
  ["", "a.json:1:1: Unexpected end of JSON input"],
  ["'", "a.json:1:1: Unexpected token '''"],
])("reports the position of the mistake in %j", (text, message) => {
  expect(refusal(text)).toBe(message);
});

test("reports the position where a text is cut off or has an extra character", () => {
  const mistaken = fc.tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom("", "}", "]", ":", "x", ","));
  fc.assert(
    fc.property(mistaken, ([json, at, more]) => {
      const text = JSON.stringify([JSON.parse(json)], undefined, 1);
      const place = at % text.length;
      const wrong = text.slice(0, place) + more + (more === "" ? "" : text.slice(place));
      const [, line = 0, column = 0] = /^a\.json:(\d+):(\d+): [^\n]+$/.exec(refusal(wrong)) ?? [];
      if (line === 0) return JSON.parse(wrong) !== undefined; // inside a string
      const offset =
        wrong.split("\n", Number(line) - 1).join("\n").length + (line === "1" ? 0 : 1) + Number(column) - 1;
      return offset >= place && offset <= wrong.length;
    }),
  );
});
