import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { mergeTars } from "./merge.ts";
import { type Tree, tarOf } from "./tree.ts";

type Header = Parameters<ReturnType<typeof pack>["entry"]>[0];

function tar(name: string, ...entries: readonly (readonly [header: Header, content?: string])[]) {
  const stream = pack();
  for (const [header, content] of entries) {
    if (content === undefined) stream.entry(header);
    else stream.entry(header, content);
  }
  stream.finalize();
  return { name, stream };
}

function text(tree: Tree, path: string): string | undefined {
  const entry = tree.get(path);
  return entry?.type === "file" ? entry.content.toString() : undefined;
}

describe("mergeTars", () => {
  test("keeps the last of two entries with the same path", async () => {
    const tree = await mergeTars([
      tar("one", [{ name: "./etc/name", mode: 0o600 }, "one"], [{ name: "etc/other" }, "kept"]),
      tar("two", [{ name: "/etc/name", mode: 0o4755 }, "two"]),
    ]);
    expect(text(tree, "etc/name")).toBe("two");
    expect(tree.get("etc/name")).toMatchObject({ mode: 0o4755 });
    expect(text(tree, "etc/other")).toBe("kept");
    expect(tree.get("etc")).toEqual({ type: "directory", mode: 0o755 });
  });

  test("moves and leaves out entries as the source says, including hard links' targets", async () => {
    const source = {
      ...tar(
        "one",
        [{ name: "lib/a" }, "a"],
        [{ name: "lib/b", type: "link", linkname: "lib/a" }],
        [{ name: "doc" }, "x"],
      ),
      place: (path: string) => (path === "doc" ? undefined : `usr/${path}`),
    };
    const tree = await mergeTars([source]);
    expect([...tree.keys()]).toEqual(["usr", "usr/lib", "usr/lib/a", "usr/lib/b"]);
    expect(tree.get("usr/lib/b")).toBe(tree.get("usr/lib/a"));
  });

  test("keeps symlinks as they are, wherever they point", async () => {
    const tree = await mergeTars([tar("one", [{ name: "var/run", type: "symlink", linkname: "/run" }])]);
    expect(tree.get("var/run")).toEqual({ type: "symlink", target: "/run" });
  });

  test.each<[string, readonly (readonly [Header, string?])[], string]>([
    [
      "climbs out with ..",
      [[{ name: "a/../../etc/passwd" }, "x"]],
      "evil: entry a/../../etc/passwd leads out of the image with ..",
    ],
    [
      "goes through a symlink",
      [[{ name: "lib", type: "symlink", linkname: "/etc" }], [{ name: "lib/passwd" }, "x"]],
      "evil: entry lib/passwd goes through lib, which is a symlink",
    ],
    [
      "goes through a file",
      [
        [{ name: "a" }, "x"],
        [{ name: "a/b" }, "x"],
      ],
      "evil: entry a/b goes through a, which is a file",
    ],
    [
      "makes a directory of a symlink",
      [[{ name: "lib", type: "symlink", linkname: "usr/lib" }], [{ name: "lib", type: "directory" }]],
      "evil: directory lib is already a symlink to usr/lib",
    ],
    [
      "makes a symlink of a directory",
      [[{ name: "lib/x" }, "x"], [{ name: "lib", type: "symlink", linkname: "/etc" }]],
      "evil: symlink lib is already a directory",
    ],
    [
      "links outside",
      [[{ name: "a", type: "link", linkname: "../etc/shadow" }]],
      "evil: entry ../etc/shadow leads out of the image with ..",
    ],
    [
      "links to nothing",
      [[{ name: "a", type: "link", linkname: "etc/shadow" }]],
      "evil: hard link a points to etc/shadow, which is not a file in the image",
    ],
    [
      "is a device",
      [[{ name: "dev/sda", type: "block-device" }]],
      "evil: dev/sda is a block-device: only files, directories and links go into an image",
    ],
  ])("refuses an entry that %s", async (_what, entries, message) => {
    await expect(mergeTars([tar("evil", ...entries)])).rejects.toThrow(message);
  });

  test("refuses a truncated stream", async () => {
    const whole = await buffer(Readable.from(tar("one", [{ name: "a" }, "x".repeat(5000)]).stream));
    const cut = Readable.from([whole.subarray(0, 2000)]);
    await expect(mergeTars([{ name: "short", stream: cut }])).rejects.toThrow(
      /^short: incomplete or invalid tar stream: /,
    );
  });

  test("refuses a stream that is not a tar", async () => {
    const noise = Readable.from([Buffer.alloc(2048, "noise")]);
    await expect(mergeTars([{ name: "noise", stream: noise }])).rejects.toThrow(
      /^noise: incomplete or invalid tar stream: /,
    );
  });

  test("reads what tarOf writes", async () => {
    const tree: Tree = new Map([
      ["bin", { type: "symlink", target: "usr/bin" }],
      ["tmp", { type: "directory", mode: 0o1777 }],
      ["file", { type: "file", mode: 0o640, content: Buffer.from("text") }],
    ]);
    expect(await mergeTars([{ name: "ours", stream: tarOf(tree) }])).toEqual(tree);
  });
});
