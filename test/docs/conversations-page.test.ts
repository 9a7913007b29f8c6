import { expect, it } from "vitest";
import { parseRule } from "../../host/conversation/chaos/parse-rule.ts";
import { parseConversation } from "../../host/conversation/format/read-conversation.ts";
import { NOT_COMPARED } from "../../host/conversation/replay/not-compared.ts";
import { codeBlocks, page, section } from "./pages.ts";

const text = page("docs/conversations.md");

it("the page lists each field that replay doesn't compare, with the reason", () => {
  const rows = Array.from(section(text, "Replaying").matchAll(/^\| `([A-Z][^`]*)` \| (.*) \|$/gm));
  expect(rows.map(([, path, reason]) => ({ path, reason }))).toEqual(NOT_COMPARED);
});

it("the page's sample of a file is one", () => {
  const [sample = ""] = codeBlocks(text, "json");
  expect(parseConversation(sample, "sample").map(({ kind }) => kind)).toEqual(["opened", "request", "response"]);
});

it("the page's rules are valid", () => {
  const words = (title: RegExp) => Array.from(section(text, "Chaos").matchAll(title), ([, word = ""]) => word);
  const conditions = words(/^\| `(call|direction|conn|nth|chance)(=[^`]*)?`/gm);
  const actions = Array.from(section(text, "Chaos").matchAll(/^\| `((?:delay|drop|duplicate|cut|fail|kill)[^`]*)`/gm));
  expect([conditions.length, actions.length]).toEqual([5, 6]);
  for (const [, action = ""] of actions) expect(parseRule(`call=ReadStdout,${action}`).call).toBe("ReadStdout");
});
