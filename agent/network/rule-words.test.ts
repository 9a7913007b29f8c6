import { expect, test } from "vitest";
import { ruleWords } from "./rule-words.ts";

test.each([
  ["-A INPUT\t -j  DROP", ["-A", "INPUT", "-j", "DROP"]],
  ['--comment "see -M" -j X', ["--comment", "see -M", "-j", "X"]],
  ['a "b \\" c\\\\d" e', ["a", 'b " c\\d', "e"]],
  ['--mod"probe x" y', ["--modprobe x", "y"]],
  ['"--mod"probe', ["--mod", "probe"]],
  ['"a" "" "b c', ["a", "b c"]],
  ['"a\\', ["a"]],
  ["'a b' \\\\-M \\-M", ["'a", "b'", "\\\\-M", "\\-M"]],
  ["a\r-M", ["a\r-M"]],
  ["", []],
])("splits %j into %j", (line, words) => {
  expect(ruleWords(line)).toEqual(words);
});
