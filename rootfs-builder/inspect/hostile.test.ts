import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BuildError } from "../build-error.ts";
import { makeErofs } from "../image/erofs.ts";
import { cpioArchive } from "../initramfs/cpio.ts";
import { diskParts } from "./disk-parts.ts";
import { inspectFile } from "./inspect-file.ts";
import { readCpio } from "./read-cpio.ts";
import { readErofs } from "./read-erofs.ts";
import { veritySuperblock } from "./verity-tree.ts";

const execute = promisify(execFile);

/** Changes to valid bytes, and perhaps a place to cut them off. */
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

test("reads a damaged EROFS, or refuses it with one line", async () => {
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

test("reads a damaged initramfs, or refuses it with one line", () => {
  const entries = ["a", "b"].map((path) => ({ path, type: "file", mode: 0o644, content: Buffer.alloc(99) }) as const);
  neverFallsOver(cpioArchive(entries), readCpio, 0);
});

test("reads damaged headers, or refuses them with one line", () => {
  neverFallsOver(Buffer.concat([Buffer.from("verity\0\0"), Buffer.alloc(4096)]), veritySuperblock, 0);
  const header = Buffer.alloc(16_384);
  header.write("NVDIMM_PFN_INFO\0", 4096);
  neverFallsOver(header, diskParts, 4096);
});

const erofs = (to: string, from: string) => ["mkfs.erofs", "--quiet", "-zlz4hc", to, from] as const;
const ext4 = (to: string, from: string) =>
  ["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum", "-d", from, to, "4m"] as const;
const squashfs = (to: string, from: string) =>
  ["mksquashfs", from, to, "-quiet", "-no-progress", "-all-root", "-noI", "-noD", "-noF"] as const;

test.each([
  ["an ext4", "file", ext4, "e2fsck -fn finds errors"],
  ["an ext4", "directory", ext4, "e2fsck -fn finds errors"],
  ["an EROFS", "file", erofs, "duplicate entry /aaaa"],
  ["an EROFS", "directory", erofs, "duplicate entry /aaaa"],
  ["a squashfs", "file", squashfs, "unsquashfs"],
  ["a squashfs", "directory", squashfs, "unsquashfs"],
] as const)(
  "%s with a link and a %s of the same name writes nothing outside",
  async (_what, type, command, refused) => {
    const directory = await mkdtemp(join(tmpdir(), "guestd-hostile-"));
    try {
      const [image, root, outside] = [join(directory, "image"), join(directory, "root"), join(directory, "outside")];
      const victim = join(outside, "victim");
      for (const one of [outside, type === "file" ? root : join(root, "aaab")]) await mkdir(one, { recursive: true });
      await writeFile(victim, "mine");
      await writeFile(join(root, type === "file" ? "aaab" : "aaab/victim"), Buffer.alloc(9000, "theirs "));
      await symlink(type === "file" ? victim : outside, join(root, "aaaa"));
      const [program, ...args] = command(image, root);
      await execute(program, args);
      const bytes = await readFile(image);
      expect(bytes.indexOf("aaab")).toBe(bytes.lastIndexOf("aaab"));
      bytes.write("aaaa", bytes.indexOf("aaab"));
      await writeFile(image, bytes);
      const { checks } = await inspectFile(image);
      expect((await readFile(victim, "latin1")).slice(0, 9)).toBe("mine");
      expect(checks.filter(({ ok }) => !ok).map(({ detail }) => detail)).toEqual([expect.stringContaining(refused)]);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);
