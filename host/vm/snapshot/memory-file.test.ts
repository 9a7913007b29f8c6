import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { copyMemory, fillMemory } from "./memory-file.ts";

const MIB = 1 << 20;

test("memory comes back byte for byte, and only parts that aren't zero are written", async () => {
  const part = fc.record({ at: fc.nat(4 * MIB - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 100_000 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
      using folder = temporaryDirectory();
      const original = Buffer.alloc(4 * MIB);
      for (const { at, bytes } of parts) original.set(bytes.subarray(0, original.length - at), at);
      await using memory = await open(join(folder.path, "memory"), "w+");
      await memory.writeFile(original);
      await using file = await open(join(folder.path, "file"), "wx+");
      const extents = await copyMemory(memory, file, original.length);
      await using restored = await open(join(folder.path, "restored"), "wx+");
      await restored.truncate(original.length);
      await fillMemory(file, restored, extents);
      for (const copy of [file, restored]) {
        const bytes = Buffer.alloc(original.length);
        await copy.read(bytes, 0, bytes.length, 0);
        expect(bytes.equals(original)).toBe(true);
      }
      const written = extents.reduce((sum, [, bytes]) => sum + bytes, 0);
      expect(written).toBeLessThanOrEqual(parts.length * (100_000 + 2 * 65_536));
      expect(statSync(join(folder.path, "file")).blocks * 512).toBeLessThanOrEqual(written);
    }),
    { numRuns: 20 },
  );
});

test("a memory file that is too short is refused", async () => {
  using folder = temporaryDirectory();
  await using short = await open(join(folder.path, "short"), "wx+");
  await using to = await open(join(folder.path, "to"), "wx+");
  await expect(fillMemory(short, to, [[0, 4096]])).rejects.toThrow("memory file: it ends after 0 bytes");
});

test("a copy stops when it is cancelled", async () => {
  using folder = temporaryDirectory();
  await using memory = await open(join(folder.path, "memory"), "wx+");
  await memory.truncate(MIB);
  await using to = await open(join(folder.path, "to"), "wx+");
  const aborted = AbortSignal.abort(new Error("interrupted"));
  await expect(copyMemory(memory, to, MIB, aborted)).rejects.toThrow("interrupted");
});
