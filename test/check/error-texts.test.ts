import { expect, test } from "vitest";
import { comparedTexts } from "./error-texts.ts";

test.each([
  'if (error.message.includes("gone")) return;',
  'if (error instanceof Error && error.message === "gone") return;',
  "if (/gone/.test(error.message)) return;",
  "const [, why] = /gone (.*)/.exec(message) ?? [];",
  "if (/gone/i.test((error as Error).message)) return;",
  "if (GONE.test(reason(error))) return;",
  'return oneLine(error).startsWith("gone");',
  'return error.message\n    .endsWith("gone");',
])("refuses %j", (line) => expect(comparedTexts(`\n${line}`)).toEqual([2]));

test.each([
  'if (error.kind === "not-found") return;',
  "if (entry.message === undefined) return;",
  'return error.message.replace("a", "b");',
  "if (NAME.test(text)) return;",
])("accepts %j", (line) => expect(comparedTexts(line)).toEqual([]));
