import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { proseProblems } from "./prose.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "guestd-prose-"));
  mkdirSync(join(root, "agent/main"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

it("the prose check reports a doc comment that begins with a relative clause, on one line or several", () => {
  const begin = "/**";
  writeFileSync(
    join(root, "agent/main/a.ts"),
    `${begin} What it does. */\n\n${begin}\n * Of a container. */\n/* What */`,
  );
  expect(proseProblems(root, ["agent"])).toEqual([
    'agent/main/a.ts:1: a doc comment begins with "What"; begin with a verb or a noun (CONTRIBUTING.md)',
    'agent/main/a.ts:3: a doc comment begins with "Of"; begin with a verb or a noun (CONTRIBUTING.md)',
  ]);
});

it("the prose check accepts other beginnings, and ignores folders that it isn't given", () => {
  const begin = "/**";
  writeFileSync(join(root, "agent/main/a.ts"), `${begin} Whatever. */ ${begin} Offers. */ ${begin} Assigns. */`);
  writeFileSync(join(root, "b.ts"), `${begin} What it does. */`);
  expect(proseProblems(root, ["agent"])).toEqual([]);
});

it("the prose check reports a table cell of more than 30 words outside code blocks", () => {
  const row = (words: number) => `| ${"word ".repeat(words)}| x |`;
  writeFileSync(join(root, "page.md"), [row(30), row(31), "```text", row(31), "```"].join("\n"));
  expect(proseProblems(root, [])).toEqual(["page.md:2: a table cell has 31 words; at most 30 are allowed"]);
});
