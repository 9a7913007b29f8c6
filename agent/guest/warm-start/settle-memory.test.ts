import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createSysDouble } from "../../kernel/testing/sys-double.ts";
import { settleMemory } from "./settle-memory.ts";

test("writes dirty pages, then asks the kernel to compact its memory", async () => {
  const directory = mkdtempSync(join(tmpdir(), "settle-memory-"));
  using _ = { [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
  const compact = join(directory, "compact_memory");
  writeFileSync(compact, "");
  const sys = createSysDouble();
  await settleMemory(sys, compact);
  expect(sys.calls).toEqual([["sync"]]);
  expect(readFileSync(compact, "utf8")).toBe("1");
});

test("a kernel without compaction is fine", async () => {
  const sys = createSysDouble();
  await settleMemory(sys, "/proc/sys/vm/no-such-file");
  expect(sys.calls).toEqual([["sync"]]);
});
