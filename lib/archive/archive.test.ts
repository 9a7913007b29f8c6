import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hostTree, openSource } from "../../host/client/streams/host-tree.ts";
import { hostileArchives } from "../../test/scenarios/hostile-archives.ts";
import { makeSampleTree, snapshotTree } from "../../test/scenarios/sample-tree.ts";
import { isRoot } from "../is-root.ts";
import { randomFrom } from "../seeded-random.ts";
import { TreeSink } from "./tree-sink.ts";
import { type Position, TreeSource } from "./tree-source.ts";

const sys = hostTree();
const above = tmpdir();

function sinkIn(dir: number, rename: { from: string; to: string }) {
  const events: { after: string; part: Position["part"] } = { after: "", part: undefined };
  const sink = new TreeSink(
    { dir, rename },
    {
      ...{ sys, id: "test-copy", owners: "keep", keepPrivileges: true },
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
  const { sink, events } = sinkIn(dir, { from: "tree", to: "copy" });
  let cuts = 0;
  async function* cut(archive: AsyncIterable<Buffer>, most: number) {
    let left = most;
    for await (const chunk of archive) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left < 0) throw new Error("cut");
    }
  }
  for (let done = false; !done; ) {
    const source = new TreeSource(root, { sys, position: { ...events } });
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

hostileArchives(() => {
  const extract = async (archive: Buffer, root: string) => {
    using opened = new DisposableStack();
    const dir = opened.adopt(openSync(root, "r"), closeSync);
    const sink = new TreeSink(
      { dir, rename: { from: "top", to: "top" } },
      { sys, id: "test-copy", owners: "mine", keepPrivileges: false },
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
