import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { directory, file, hardLink, symlink } from "../../image/testing/layers.ts";
import { treeOf } from "../../image/testing/tree.ts";
import { type LayerEntry, packTar } from "../../image/write-layout.ts";

/** Extracts an archive, whose members' first name is "top", into an existing directory. Rejects if it is refused. */
export type ExtractArchive = (archive: Buffer, root: string) => Promise<unknown>;

/** Creates a root below `above`, surrounded by files that must not change. */
function place(above: string) {
  const path = mkdtempSync(join(above, "hostile-"));
  const [outside, root] = [join(path, "outside"), join(path, "root")];
  mkdirSync(join(outside, "dir"), { recursive: true });
  mkdirSync(root);
  writeFileSync(join(outside, "secret"), "secret");
  symlinkSync("secret", join(outside, "dir", "link"));
  const surroundings = () => treeOf(path, "root");
  const remove = () => rmSync(path, { recursive: true, force: true });
  return { outside, root, surroundings, before: surroundings(), [Symbol.dispose]: remove };
}

type Make = (outside: string) => readonly LayerEntry[];

/**
 * Archives that try to get out of the directory that they are extracted to. `above` is a directory, `inside` the path that
 * a link must name to reach a place below it.
 */
export function hostileArchives(
  given: () => { readonly extract: ExtractArchive; readonly above: string; inside?(path: string): string },
  runs: number,
): void {
  async function survive(make: Make): Promise<unknown> {
    const { extract, above, inside = (path: string) => path } = given();
    using here = place(above);
    const archive = await packTar(make(inside(here.outside)));
    const result = await extract(archive, here.root).then(
      () => treeOf(here.root),
      (error: unknown) => String(error),
    );
    expect(here.surroundings()).toEqual(here.before);
    // A refusal leaves no file that isn't complete.
    expect(Object.keys(treeOf(here.root)).filter((path) => path.includes(".guestd-copy-"))).toEqual([]);
    return result;
  }

  describe("a hostile archive writes nothing outside its destination", () => {
    test.each<[string, Make, RegExp]>([
      ["by a name with dots", () => [file("top/../../outside/secret", "x")], /its name contains "\.\."/],
      [
        "by a name that leads above its own first name",
        () => [file("../outside/secret", "x")],
        /its name contains "\.\."/,
      ],
      ["by an absolute name", (outside) => [file(`${outside}/secret`, "x")], /its name is absolute/],
      ["by a name that isn't its own", () => [file("other/secret", "x")], /its name does not begin with "top"/],
      [
        "through a directory that is a link, absolute",
        (outside) => [symlink("top/out", outside), file("top/out/secret", "x")],
        /"out" is in the way and no directory, and links aren't followed/,
      ],
      [
        "through a directory that is a link, relative",
        () => [symlink("top/out", "../../outside"), directory("top/out/dir")],
        /"out" is in the way and no directory/,
      ],
      [
        "through a link in place of everything",
        (outside) => [symlink("top", outside), file("top/secret", "x")],
        /"top": the sender announced a directory and sent something else/,
      ],
      [
        "by a directory's mode, set through a link",
        (outside) => [symlink("top/out", `${outside}/dir`), directory("top/out", 0o777)],
        /"out" is in the way and no directory/,
      ],
      ["by a hard link to a name with dots", () => [hardLink("top/a", "top/../../outside/secret")], /contains "\.\."/],
      [
        "by a hard link to an absolute name",
        (outside) => [hardLink("top/a", `${outside}/secret`)],
        /its name is absolute/,
      ],
      [
        "by a hard link through a link",
        (outside) => [symlink("top/out", outside), hardLink("top/a", "top/out/secret"), file("top/a", "x")],
        /"out" is in the way and no directory/,
      ],
      [
        "by a hard link to a link",
        (outside) => [symlink("top/s", `${outside}/secret`), hardLink("top/a", "top/s")],
        /it is a hard link to no file/,
      ],
      ["by a name in the middle of which is a NUL byte", () => [file(`top/a${"b".repeat(120)}\0c`, "x")], /NUL byte/],
      ["by the name of an incomplete file", () => [file("top/.guestd-copy-1", "x")], /guestd's own temporary names/],
      ["by a name with very many parts", () => [file(`top/${"a/".repeat(200)}b`, "x")], /more than 128 parts/],
      [
        "by a file in place of a directory",
        () => [directory("top/d"), file("top/d", "x")],
        /a directory is in its place/,
      ],
      ["by a file in place of everything", () => [file("top", "x")], /the sender announced a directory/],
    ])("%s", async (_, make, error) => {
      expect(await survive(make)).toMatch(error);
    });

    test("and replaces a link instead of writing through it", async () => {
      const result = await survive((outside) => [symlink("top/f", `${outside}/secret`), file("top/f", "x")]);
      expect(result).toEqual({ "top/": "", "top/f": "x" });
    });

    test("and creates no device, named pipe or set-user-id file", async () => {
      const nodes: LayerEntry[] = [
        { name: "top/pipe", type: "fifo" },
        { name: "top/disk", type: "block-device", devmajor: 8, devminor: 0 },
        { name: "top/mem", type: "character-device", devmajor: 1, devminor: 1 },
      ];
      expect(await survive(() => [...nodes, file("top/f", "x", 0o6755)])).toEqual({ "top/": "", "top/f": "x" });
    });

    test("and is refused if it is cut off", async () => {
      const { extract, above } = given();
      using here = place(above);
      const archive = await packTar([file("top/a", "a"), file("top/b", "b".repeat(2000))]);
      await expect(extract(archive.subarray(0, 2048), here.root)).rejects.toThrow(/not a whole tar archive/);
      expect(treeOf(here.root)).toEqual({ "top/": "", "top/a": "a" });
    });

    test("by any mixture of these", { timeout: 120_000 }, async () => {
      const name = fc
        .array(fc.constantFrom("a", "b", "..", ".", "", "outside", "secret", "out"), { maxLength: 4 })
        .chain((parts) => fc.constantFrom(`top/${parts.join("/")}`, `top/${parts.join("/")}`, parts.join("/")));
      const target = fc.oneof(
        name,
        fc.constantFrom("@", "@/secret", "@/dir", "../outside", "../../outside", "/", ".."),
      );
      const entry = fc.oneof(
        name.map(
          (at): Make =>
            () => [file(at, "x")],
        ),
        name.map(
          (at): Make =>
            () => [directory(at, 0o700)],
        ),
        fc.tuple(name, target).map(
          ([at, to]): Make =>
            (outside) => [symlink(at, to.replace("@", outside))],
        ),
        fc.tuple(name, target).map(
          ([at, to]): Make =>
            (outside) => [hardLink(at, to.replace("@", outside))],
        ),
      );
      const archives = fc.array(entry, { minLength: 1, maxLength: 8 });
      const property = fc.asyncProperty(archives, async (made) => {
        await survive((outside) => made.flatMap((make) => make(outside)));
      });
      await fc.assert(property, { numRuns: runs });
    });
  });
}
