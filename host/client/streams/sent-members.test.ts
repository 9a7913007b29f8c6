import { expect, test } from "vitest";
import type { Member } from "../../../lib/archive/member.ts";
import { SentMembers } from "./sent-members.ts";

const member = (name: string) => ({ name, version: "" }) as Member;

/** Reads an archive of one kibibyte for each member; returns a function that reads the next one. */
function reading(sent: SentMembers, names: readonly string[]) {
  const archive = (async function* () {
    for (const name of names) {
      sent.add(member(name));
      yield Buffer.alloc(1024);
    }
  })();
  const chunks = sent.counted(archive);
  return () => chunks.next();
}

test("counts members as complete once the next one begins before what the agent has taken", async () => {
  const sent = new SentMembers();
  const read = reading(sent, ["a", "b", "c"]);
  for (let count = 0; count < 3; count++) await read();
  expect([sent.acknowledge(1023), sent.after, sent.next?.name]).toEqual([0, "", "a"]);
  expect([sent.acknowledge(2048), sent.after, sent.next?.name]).toEqual([2, "b", "c"]);
  expect(sent.all).toBe(3);
});

test("ignores members of a lost connection that are read after the next one has begun", async () => {
  const lost = new SentMembers();
  const readLate = reading(lost, ["a", "b", "c", "d"]);
  await readLate();
  await readLate();
  lost.acknowledge(1024);
  const sent = lost.continued();
  const read = reading(sent, ["b", "c", "d"]);
  await readLate();
  await read();
  await readLate();
  await read();
  expect([sent.acknowledge(1024), sent.after, sent.next?.name]).toEqual([2, "b", "c"]);
  expect(sent.all).toBe(3);
});
