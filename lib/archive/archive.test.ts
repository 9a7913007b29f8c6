import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { hostTree, openSource } from "../../host/client/streams/host-tree.ts";
import { hostileArchives } from "../../test/scenarios/hostile-archives.ts";
import { makeSampleTree, snapshotTree } from "../../test/scenarios/sample-tree.ts";
import { isRoot } from "../is-root.ts";
import { randomFrom } from "../seeded-random.ts";
import type { Member } from "./member.ts";
import { TreeSink } from "./tree-sink.ts";
import { type Position, TreeSource } from "./tree-source.ts";

const files = hostTree();
const above = tmpdir();

function sinkIn(dir: number, rename: { from: string; to: string; directory: boolean }) {
  const events: { after: string; part: Position["part"] } = { after: "", part: undefined };
  const sink = new TreeSink(
    { dir, rename },
    {
      ...{ files, id: "test-copy", owners: "keep", keepPrivileges: true },
      onMember: (member) => Object.assign(events, { after: member.name, part: undefined }),
      onPart: ({ name, version }, bytes) => {
        events.part = { name, bytes, version };
      },
    },
  );
  return { sink, events };
}

test.runIf(isRoot())("a tree is the same after any number of interruptions", async () => {
  const random = randomFrom(3);
  const directory = mkdtempSync(join(above, "guestd-archive-"));
  using opened = new DisposableStack();
  opened.defer(() => rmSync(directory, { recursive: true, force: true }));
  makeSampleTree(join(directory, "tree"), random);
  mkdirSync(join(directory, "to"));
  const root = openSource(join(directory, "tree"), false, opened);
  const dir = opened.adopt(openSync(join(directory, "to"), "r"), closeSync);
  const { sink, events } = sinkIn(dir, { from: "tree", to: "copy", directory: true });
  let cuts = 0;
  async function* cut(archive: AsyncIterable<Buffer>, most: number) {
    let left = most;
    for await (const chunk of archive) {
      yield Buffer.from(chunk.subarray(0, left)); // valid until the next one only
      left -= chunk.length;
      if (left < 0) throw new Error("cut");
    }
  }
  for (let done = false; !done; ) {
    const source = new TreeSource(root, { files, position: { ...events } });
    await sink.extract(cut(source.archive(), random() * 150_000)).then(
      () => {
        done = true;
      },
      (error: Error) => {
        expect(error.message).toBe("cut");
        cuts++;
      },
    );
  }
  sink.close();
  expect(cuts).toBeGreaterThan(3);
  expect(snapshotTree(join(directory, "to/copy"))).toEqual(snapshotTree(join(directory, "tree")));
  expect(readdirSync(join(directory, "to"))).toEqual(["copy"]);
});

describe("an interrupted file", () => {
  const BYTES = 600_000;
  const WRITTEN = 256 * 1024;

  /** A source of two files, and a place where one connection after the other extracts them. */
  function twoFiles() {
    const directory = mkdtempSync(join(above, "guestd-archive-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const [from, to] = [join(directory, "tree"), join(directory, "to")];
    for (const path of [from, to]) mkdirSync(path);
    for (const name of ["a", "b"]) writeFileSync(join(from, name), Buffer.alloc(BYTES, name));
    const opened = new DisposableStack();
    onTestFinished(() => opened.dispose());
    const root = openSource(from, false, opened);
    const dir = opened.adopt(openSync(to, "r"), closeSync);
    const sink = (onPart?: (member: Member, bytes: number) => void) => {
      const options = { ...{ files, id: "test-copy", keepPrivileges: false }, ...(onPart && { onPart }) };
      const each = new TreeSink({ dir }, { ...options, owners: "mine" });
      opened.defer(() => each.close());
      return each;
    };
    async function* archive(position: Position = { after: "" }) {
      // A chunk is valid until the next one only.
      for await (const chunk of new TreeSource(root, { files, position }).archive()) yield Buffer.from(chunk);
    }
    /** Extracts until some bytes of a file are written; resolves with its member. */
    const extractPartOf = async (name: string): Promise<Member> => {
      const reached = Promise.withResolvers<Member>();
      const onPart = (member: Member, bytes: number) => {
        if (member.name === name && bytes >= WRITTEN) reached.resolve(member);
      };
      const cut = new Error("cut");
      const source = async function* () {
        let left = BYTES * (name === "tree/a" ? 1 : 2) - 100_000;
        for await (const chunk of archive()) {
          if (chunk.length > left) break;
          yield chunk;
          left -= chunk.length;
        }
        await reached.promise;
        throw cut;
      };
      await expect(sink(onPart).extract(source())).rejects.toBe(cut);
      return await reached.promise;
    };
    return { from, copied: join(to, "tree"), sink, archive, extractPartOf };
  }

  test("isn't continued with the bytes of the next one", async () => {
    const { from, copied, sink, archive, extractPartOf } = twoFiles();
    await extractPartOf("tree/b");
    expect(readdirSync(copied)).toHaveLength(2); // all of a, which the client doesn't know, and the part
    const { ino, size, mtimeNs, ctimeNs } = statSync(join(from, "a"), { bigint: true });
    const a = { name: "tree/a", version: `${ino}:${size}:${mtimeNs}:${ctimeNs}` };
    const bytes = await sink().partialBytes(a);
    expect([bytes, readdirSync(copied)]).toEqual([0, ["a"]]);
    await sink().extract(archive({ after: "", part: { ...a, bytes } }));
    expect(snapshotTree(copied)).toEqual(snapshotTree(from));
  });

  test("isn't continued with an earlier version of itself, which is removed", async () => {
    const { from, copied, sink, archive, extractPartOf } = twoFiles();
    const { name } = await extractPartOf("tree/a");
    expect(readdirSync(copied)).toHaveLength(1);
    expect(await sink().partialBytes({ name, version: "another" })).toBe(0);
    expect(readdirSync(copied)).toEqual([]);
    await sink().extract(archive());
    expect(snapshotTree(copied)).toEqual(snapshotTree(from));
  });

  test("is continued by its own version", async () => {
    const { from, copied, sink, archive, extractPartOf } = twoFiles();
    const a = await extractPartOf("tree/a");
    const bytes = await sink().partialBytes(a);
    expect(bytes).toBeGreaterThanOrEqual(WRITTEN);
    await sink().extract(archive({ after: "", part: { ...a, bytes } }));
    expect(snapshotTree(copied)).toEqual(snapshotTree(from));
  });

  test("stays for the sink that continues it, and no other", async () => {
    const { copied, sink, extractPartOf } = twoFiles();
    const a = await extractPartOf("tree/a");
    const [one, other] = [sink(), sink()];
    expect(await one.partialBytes(a)).toBeGreaterThan(0);
    one.leaveTo(a);
    expect(await other.partialBytes(a)).toBeGreaterThan(0);
    other.leaveTo({ ...a, name: "tree/b" });
    expect(readdirSync(copied)).toEqual([]);
  });
});

hostileArchives(() => {
  const extract = async (archive: Buffer, root: string) => {
    using opened = new DisposableStack();
    const dir = opened.adopt(openSync(root, "r"), closeSync);
    const sink = new TreeSink(
      { dir, rename: { from: "top", to: "top", directory: true } },
      { files, id: "test-copy", owners: "mine", keepPrivileges: false },
    );
    opened.defer(() => sink.close());
    await sink.extract(
      (async function* () {
        for (let at = 0; at < archive.length; at += 1000) yield archive.subarray(at, at + 1000);
      })(),
    );
  };
  return { extract, above };
}, 300);
