import { describe, expect, test } from "vitest";
import type { Member } from "./member.ts";
import { PlacedFiles } from "./placed-files.ts";
import type { ReadMember } from "./read-members.ts";

const fileOf = (name: string, more: Partial<Member> = {}): Member => ({
  ...{ name, type: "file", mode: 0o600, uid: 0, gid: 0, mtime: 0n, atime: 0n, size: 3, target: "", xattrs: new Map() },
  ...{ from: 0, version: "", parts: [{ start: 0, end: 3 }] },
  ...more,
});
const readOf = (member: Member): ReadMember => ({ member, content: (async function* () {})(), start: 0, end: 0 });

describe("small files that are placed at once", () => {
  /** Adds files whose placing ends with `end`; returns what was done in its order. */
  async function placed(members: readonly Member[], fails?: string): Promise<string[]> {
    const done: string[] = [];
    const files = new PlacedFiles(({ member }) => void done.push(`${member.name} is placed`));
    for (const member of members) {
      await files.room(member);
      files.add(readOf(member), async (linked) => {
        done.push(`place ${member.name}${linked ? " after it" : ""}`);
        await new Promise((resolve) => setImmediate(resolve));
        if (member.name === fails) throw Object.assign(new Error("full"), { code: "ENOSPC", errno: 28 });
      });
    }
    await files.finish().catch((error: Error) => done.push(error.message));
    return done;
  }

  test("are those of one directory, each linked to the one before, and end in their order", async () => {
    expect(await placed(["d/a", "d/b", "e/a"].map((name) => fileOf(name)))).toEqual([
      ...["place d/a", "place d/b after it", "d/a is placed", "d/b is placed"],
      ...["place e/a", "e/a is placed"],
    ]);
  });

  test("are eight at most", async () => {
    const done = await placed(Array.from({ length: 20 }, (_, index) => fileOf(`d/${index}`)));
    expect(done.indexOf("d/0 is placed")).toBe(8);
    expect(done.filter((each) => each.endsWith(" is placed"))).toHaveLength(20);
  });

  test("end with the first that fails, which the error names", async () => {
    const names = ["d/a", "d/b", "d/c"];
    const done = await placed(
      names.map((name) => fileOf(name)),
      "d/b",
    );
    expect(done.slice(3)).toEqual(["d/a is placed", '"d/b": ENOSPC (the disk is full; free space and copy again)']);
  });

  test.each<[string, Partial<Member>]>([
    ["large file", { size: 16_385, parts: [{ start: 0, end: 16_385 }] }],
    ["file with a hole", { parts: [{ start: 1, end: 3 }] }],
    ["continued file", { from: 1, parts: [{ start: 1, end: 3 }] }],
    ["file with attributes", { xattrs: new Map([["user.key", Buffer.from("value")]]) }],
    ["directory", { type: "directory", size: 0, parts: [] }],
  ])("are complete before a %s follows", async (_, more) => {
    const done = await placed([fileOf("d/a"), fileOf("d/b", more)]);
    expect(done).toEqual(["place d/a", "d/a is placed", "place d/b", "d/b is placed"]);
  });
});
