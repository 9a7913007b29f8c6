import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ImageError } from "../image-error.ts";
import type { Layer } from "../read-image.ts";
import { type LayerEntry, packTar } from "../write-layout.ts";
import { directory, file, hardLink, headerOf, layerOf, layerOfBytes, symlink, xattrRecord } from "./layers.ts";
import { temporaryDirectory, treeOf } from "./tree.ts";

/** Applies layers to an empty directory. */
export type Apply = (layers: readonly Layer[], root: string) => Promise<unknown>;

/**
 * Creates a root, surrounded by files that must not change. `outside` is the absolute path of one directory of them.
 */
function place() {
  const temporary = temporaryDirectory();
  const outside = join(temporary.path, "outside");
  const root = join(temporary.path, "root");
  mkdirSync(join(outside, "dir"), { recursive: true });
  mkdirSync(root);
  writeFileSync(join(outside, "secret"), "secret");
  writeFileSync(join(temporary.path, "root-sibling"), "sibling");
  symlinkSync("secret", join(outside, "dir", "link"));
  // the files in the root can be unreadable
  const surroundings = () => treeOf(temporary.path, "root");
  return { outside, root, surroundings, before: surroundings(), [Symbol.dispose]: () => temporary[Symbol.dispose]() };
}

/**
 * Unpacks layers and checks that the surroundings are unchanged and that any error is an ImageError. Returns tree or
 * error.
 */
async function surviveBy(apply: Apply, make: (outside: string) => readonly (readonly LayerEntry[])[]) {
  using here = place();
  const layers = await Promise.all(make(here.outside).map(layerOf));
  const result = await apply(layers, here.root).then(
    () => treeOf(here.root),
    (error: unknown) => error,
  );
  expect(here.surroundings()).toEqual(here.before);
  if (result instanceof Error) expect(result).toBeInstanceOf(ImageError);
  return result;
}

/** Tests that layers can't harm the process that applies them. `deepNames` names of 120 parts should take it well over 100 ms. */
export function hostileLayers(apply: Apply, deepNames = 60): void {
  const survive = (make: (outside: string) => readonly (readonly LayerEntry[])[]) => surviveBy(apply, make);

  describe("a hostile layer writes nothing outside the root", () => {
    test.each(["../escape", "a/../../escape", "..", "a/..", "/../escape", "./../outside/secret"])(
      "and is refused for a name with dots: %s",
      async (name) => {
        const result = await survive(() => [[file(name, "x")]]);
        expect(String(result)).toMatch(/entry ".*": its name has "\.\." in it/);
      },
    );

    test("by an absolute name, which counts from the root", async () => {
      const result = await survive((outside) => [[file(join(outside, "secret"), "x")]]);
      expect(Object.values(result as object)).toContain("x");
    });

    test.each(["absolute", "relative"])("through a parent that is a link, %s", async (kind) => {
      const result = await survive((outside) => [
        [
          symlink("out", kind === "absolute" ? outside : "../outside"),
          file("out/secret", "x"),
          directory("out/dir/new"),
        ],
      ]);
      expect(Object.values(result as object)).toContain("x");
    });

    test("through a chain of links over two layers", async () => {
      await survive((outside) => [
        [symlink("a", "b"), symlink("b", "c/../../.."), directory("c")],
        [symlink("d", `a${outside}`), file("d/secret", "x"), file("a/outside/secret", "x")],
      ]);
    });

    test("through a link at the file's own path", async () => {
      const result = await survive((outside) => [[symlink("f", `${outside}/secret`)], [file("f", "x")]]);
      expect(result).toEqual({ f: "x" });
    });

    test("and is refused for a hard link to a name with dots", async () => {
      for (const target of ["../outside/secret", "../../etc/passwd"]) {
        const result = await survive(() => [[hardLink("a", target), file("a", "x")]]);
        expect(String(result)).toContain('its name has ".."');
      }
    });

    test("by a hard link to an absolute path, which counts from the root", async () => {
      const result = await survive((outside) => [[hardLink("a", `${outside}/secret`)]]);
      expect(String(result)).toContain("is missing");
    });

    test("by a hard link through a parent that is a link", async () => {
      const result = await survive((outside) => [[symlink("out", outside), hardLink("a", "out/secret")]]);
      expect(String(result)).toMatch(/is missing/);
    });

    test("by a hard link to a link, and a write to it", async () => {
      const result = await survive((outside) => [
        [symlink("s", `${outside}/secret`), hardLink("h", "s")],
        [file("h", "x"), directory("s", 0o777)],
      ]);
      expect(result).toEqual({ h: "x", "s/": "" });
    });

    test("by whiteouts behind links or with dots", async () => {
      await survive((outside) => [
        [symlink("out", outside), symlink("up", "../outside")],
        [file("out/.wh.secret"), file("up/.wh.secret"), file("out/.wh..wh..opq"), file("up/dir/.wh..wh..opq")],
      ]);
      await survive(() => [[file("../.wh.root-sibling")]]);
      await survive(() => [[file(".wh.../outside")]]);
    });

    test("by a directory whose mode is set late, after a link replaced its parent", async () => {
      await survive((outside) => [[directory("a/dir", 0o777)], [symlink("a", outside)]]);
    });

    test("by a circular link", async () => {
      const result = await survive(() => [[symlink("a", "b"), symlink("b", "a"), file("a/x")]]);
      expect(String(result)).toContain("too many symbolic links");
    });

    test("by an entry that would replace the root", async () => {
      for (const entry of [file("/"), symlink("./", "../outside"), hardLink(".", "x")]) await survive(() => [[entry]]);
    });

    test("by a directory whose parent is replaced by a link to itself", async () => {
      const result = await survive(() => [[directory("a/a"), symlink("a", "a"), file("b", "x")]]);
      expect((result as Record<string, string>)["b"]).toBe("x");
    });

    test("by any mixture of these", { timeout: 60_000 }, async () => {
      const part = fc.constantFrom(
        "a",
        "b",
        "c",
        "..",
        ".",
        "",
        "outside",
        "secret",
        ".wh.a",
        ".wh..wh..opq",
        ".wh.",
        "out",
      );
      const name = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
      const target = fc.oneof(
        name,
        fc.constantFrom("@", "@/secret", "@/dir", "../outside", "../../", "/", "..", "../root"),
      );
      const entry = fc.oneof(
        name.map((n) => () => file(n, "x")),
        name.map((n) => () => directory(n, 0o700)),
        fc.tuple(name, target).map(
          ([n, t]) =>
            (outside: string) =>
              symlink(n, t.replace("@", outside)),
        ),
        fc.tuple(name, target).map(
          ([n, t]) =>
            (outside: string) =>
              hardLink(n, t.replace("@", outside)),
        ),
      );
      const layers = fc.array(fc.array(entry, { maxLength: 8 }), { minLength: 1, maxLength: 3 });
      await fc.assert(
        fc.asyncProperty(layers, async (made) => {
          await survive((outside) => made.map((layer) => layer.map((make) => make(outside))));
        }),
        { numRuns: 300 },
      );
    });
  });

  describe("a small layer can't create many directories", () => {
    test("by names with many parts", async () => {
      const result = await survive(() => [Array.from({ length: 40 }, (_, at) => file(`d${at}/${"a/".repeat(1900)}f`))]);
      expect(String(result)).toContain("its name has 1902 parts, more than 128");
    });

    test("but a name with the maximum number of parts is unpacked", async () => {
      const name = `${"a/".repeat(127)}f`;
      const result = await survive(() => [[file(name, "x")]]);
      expect((result as Record<string, string>)[name]).toBe("x");
      expect(String(await survive(() => [[file(`a/${name}`)]]))).toContain("its name has 129 parts, more than 128");
      const deeper = await survive(() => [[file(name, "x"), symlink("l", "a/".repeat(127)), file("l/b/c/f")]]);
      expect(String(deeper)).toContain("is more than 128 directories deep");
    });

    test("by links with many parts", async () => {
      const deep = (name: string) => symlink(name, "a/".repeat(1000));
      const result = await survive(() => [[deep("l"), file("l/f")]]);
      expect(String(result)).toContain("is more than 128 directories deep");
      const round = (name: string, next: string) => symlink(name, `${"d/../".repeat(300)}${next}`);
      const rounds = await survive(() => [
        [directory("d"), round("a", "b"), round("b", "c"), round("c", "d"), file("a/f")],
      ]);
      expect(String(rounds)).toContain("resolves through more than 1024 names");
    });

    test("by many names, and yields to the event loop meanwhile", { timeout: 120_000 }, async () => {
      using here = place();
      const below = `${"n".repeat(20)}/`.repeat(120);
      const layer = await layerOf(Array.from({ length: deepNames }, (_, at) => file(`d${at}/${below}f`)));
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      const result = await apply([layer], here.root).catch((error: unknown) => error);
      clearInterval(timer);
      if (result instanceof Error) {
        expect(result).toBeInstanceOf(ImageError);
        expect(result.message).toContain("it has too many directories, parents included");
      }
      expect(turns).toBeGreaterThan(10);
    });
  });

  test("forgets the mode of a directory that a file replaces", async () => {
    const made = await survive(() => [
      [directory("d/e", 0), file("d", "1"), file("e")],
      [file(".wh.d"), file("d/e", "2")],
    ]);
    expect(made).toEqual({ "d/": "", "d/e": "2", e: "" });
  });

  test.each<[string, string | Uint8Array, string]>([
    ["a NUL byte", "user.a\0b", 'its extended attribute "user.a\\u0000b" has a NUL byte in its name'],
    ["bytes that are not UTF-8", Buffer.from("user.\xff", "latin1"), "has a name that is not UTF-8"],
    ["no bytes", "", 'its extended attribute "" has an empty name'],
    ["more bytes than Linux takes", `user.${"a".repeat(251)}`, "has a name of more than 255 bytes"],
  ])("refuses an attribute whose name has %s", async (_what, key, message) => {
    using here = place();
    const header = await headerOf("x", xattrRecord(key, Buffer.from("value")));
    const layers = [layerOfBytes(Buffer.concat([header, await packTar([file("f", "x")])]))];
    const refused = apply(layers, here.root);
    await expect(refused).rejects.toThrow(ImageError);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow('entry "f"');
  });

  test("neither hangs nor writes outside for damaged bytes", { timeout: 60_000 }, async () => {
    const tar = await packTar([directory("d"), file("d/f", "x".repeat(700)), symlink("l", "d"), hardLink("h", "d/f")]);
    const change = fc.record({ at: fc.nat(tar.length - 1), byte: fc.nat(255) });
    const damage = fc.record({ changes: fc.array(change, { maxLength: 6 }), length: fc.nat(tar.length) });
    await fc.assert(
      fc.asyncProperty(damage, fc.boolean(), async ({ changes, length }, cut) => {
        using here = place();
        const bytes = Buffer.from(tar);
        for (const { at, byte } of changes) bytes[at] = byte;
        const layers = [layerOfBytes(withChecksums(cut ? bytes.subarray(0, length) : bytes))];
        await apply(layers, here.root).catch((error: unknown) => expect(error).toBeInstanceOf(ImageError));
        expect(here.surroundings()).toEqual(here.before);
      }),
      { numRuns: 300 },
    );
  });
}

/** Recomputes the checksum of each block that looks like a header, so that damage gets past it. */
function withChecksums(tar: Buffer): Buffer {
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    const block = tar.subarray(at, at + 512);
    if (block.toString("latin1", 257, 262) !== "ustar") continue;
    block.fill(" ", 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  }
  return tar;
}
