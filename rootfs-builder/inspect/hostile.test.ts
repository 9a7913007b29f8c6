import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BuildError } from "../build-error.ts";
import { makeErofs } from "../image/erofs.ts";
import { cpioArchive } from "../initramfs/cpio.ts";
import { diskParts } from "./disk-parts.ts";
import { readCpio } from "./read-cpio.ts";
import { readErofs } from "./read-erofs.ts";
import { veritySuperblock } from "./verity-tree.ts";

/** Bytes that were right, with some of them changed and perhaps the end cut off. */
const damage = fc.record({
  changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }),
  keep: fc.option(fc.nat(), { freq: 3 }),
});

function neverFallsOver(bytes: Buffer, read: (bytes: Buffer) => unknown, near: number): void {
  fc.assert(
    fc.property(damage, ({ changes, keep }) => {
      const copy = Buffer.from(keep === null ? bytes : bytes.subarray(0, keep % bytes.length));
      for (const [at, value] of changes) if (copy.length > 0) copy[(near + (at % 4096)) % copy.length] = value;
      try {
        read(copy);
      } catch (error) {
        expect(error).toBeInstanceOf(BuildError);
        expect((error as Error).message).not.toContain("\n");
      }
    }),
    { numRuns: 2000 },
  );
}

test("a damaged EROFS gives one line or a tree", async () => {
  const directory = await mkdtemp(join(tmpdir(), "guestd-hostile-"));
  try {
    await mkdir(join(directory, "root/sub"), { recursive: true });
    for (const name of ["a", "b", "sub/c"]) await writeFile(join(directory, "root", name), name.repeat(3000));
    await makeErofs(join(directory, "root"), join(directory, "root.erofs"));
    neverFallsOver(await readFile(join(directory, "root.erofs")), readErofs, 1024);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a damaged initramfs gives one line or a tree", () => {
  const entries = ["a", "b"].map((path) => ({ path, type: "file", mode: 0o644, content: Buffer.alloc(99) }) as const);
  neverFallsOver(cpioArchive(entries), readCpio, 0);
});

test("damaged headers give one line or what they say", () => {
  neverFallsOver(Buffer.concat([Buffer.from("verity\0\0"), Buffer.alloc(4096)]), veritySuperblock, 0);
  const header = Buffer.alloc(16_384);
  header.write("NVDIMM_PFN_INFO\0", 4096);
  neverFallsOver(header, diskParts, 4096);
});
