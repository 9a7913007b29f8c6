import { expect, test } from "vitest";
import { file } from "../../image/testing/layers.ts";
import { packTar } from "../../image/write-layout.ts";
import type { Member } from "./member.ts";
import { tarEntries } from "./tar-entries.ts";
import { TarWriter } from "./tar-writer.ts";

async function* chunksOf(archive: Buffer, failure?: Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < archive.length; at += 512) yield archive.subarray(at, at + 512);
  if (failure) throw failure;
}

test.each([
  ["in a file's content", 512 * 5],
  ["in a header", 512 * 4 + 100],
])("an archive that is cut off %s fails with the source's own error, and another one continues it", async (_, cut) => {
  const archive = await packTar([file("top/a", "x".repeat(1000)), file("top/b", "y".repeat(2000))]);
  const written: Buffer[] = [];
  const members: string[] = [];
  const writer = new TarWriter({
    rename: { from: "top", to: "top", directory: true },
    write: async (bytes) => void written.push(Buffer.from(bytes)),
    onMember: ({ name }: Member) => void members.push(name),
  });
  const lost = new Error("the connection ended");
  await expect(writer.extract(chunksOf(archive.subarray(0, cut), lost))).rejects.toBe(lost);
  expect(members).toEqual(["top/a"]);
  await writer.extract(chunksOf(await packTar([file("top/b", "y".repeat(2000))])));
  const contents: Record<string, string> = {};
  for await (const { header, content } of tarEntries(chunksOf(Buffer.concat(written)))) {
    contents[header.name] = "";
    for await (const bytes of content) contents[header.name] += Buffer.from(bytes).toString();
  }
  expect(contents).toEqual({ "top/a": "x".repeat(1000), "top/b": "y".repeat(2000) });
});
