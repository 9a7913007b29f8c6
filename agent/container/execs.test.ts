import { expect, test } from "vitest";
import { Execs } from "./execs.ts";
import type { Process } from "./process/process.ts";

type Parts = { readonly ended?: boolean; readonly waited?: boolean; readonly finished?: boolean };

/** An exec in this state; `destroyed` gets its id. */
function exec(
  execId: string,
  { ended = false, waited = false, finished = false }: Parts = {},
  destroyed: string[] = [],
) {
  const status = ended ? { code: 0 } : undefined;
  return { execId, status, waited, finished, destroy: () => void destroyed.push(execId) } as unknown as Process;
}
const idsOf = (execs: Execs) => [...execs.started].map(({ execId }) => execId);
const inUse = (id: string) =>
  expect.objectContaining({
    kind: "internal",
    message: `exec process: the exec id ${JSON.stringify(id)} already exists`,
  });

test("the container's own id, and that of an exec which nothing has waited for, are in use", () => {
  const execs = new Execs("c1", [exec("running"), exec("ended", { ended: true })]);
  for (const id of ["", "c1", "running", "ended"]) expect(() => execs.checkFree(id)).toThrow(inUse(id));
  expect(() => execs.checkFree("other")).not.toThrow();
});

test("the id of an exec that was waited for is free, and a new one takes its place", () => {
  const destroyed: string[] = [];
  const old = exec("x", { ended: true, waited: true }, destroyed);
  const execs = new Execs("c1", [old]);
  expect(() => execs.checkFree("x")).not.toThrow();
  const next = exec("x");
  execs.add(next);
  expect([execs.find("x"), destroyed]).toEqual([next, ["x"]]);
});

test("an id is in use while its exec is being launched", async () => {
  const execs = new Execs("c1", []);
  const launching = Promise.resolve(exec("x"));
  execs.launch("x", launching);
  expect([...execs.launching]).toEqual([launching]);
  expect(() => execs.checkFree("x")).toThrow(inUse("x"));
  execs.launchEnded("x");
  expect([...execs.launching]).toEqual([]);
  expect(() => execs.checkFree("x")).not.toThrow();
});

/** Execs that begin with `first`, and to which as many ended ones were added, oldest first. */
function full(first: readonly Process[], destroyed: string[], others: number) {
  const rest = Array.from({ length: others }, (_, at) => exec(`e${at}`, { ended: true }, destroyed));
  const execs = new Execs("c1", first);
  for (const each of rest) execs.add(each);
  return execs;
}

test("1024 ended execs are kept, however many run", () => {
  const destroyed: string[] = [];
  const execs = full([exec("r1", {}, destroyed), exec("r2", {}, destroyed)], destroyed, 1024);
  expect([destroyed, idsOf(execs).length]).toEqual([[], 1026]);
  execs.add(exec("last", { ended: true }, destroyed));
  expect([destroyed, execs.find("e0"), idsOf(execs).length]).toEqual([["e0"], undefined, 1026]);
});

test("read execs are dropped first, then those waited for, then the oldest", () => {
  const destroyed: string[] = [];
  const execs = full([], destroyed, 1021);
  const add = (id: string, parts: Parts) => execs.add(exec(id, { ended: true, ...parts }, destroyed));
  add("waited", { waited: true });
  add("read", { waited: true, finished: true });
  add("n1", {});
  expect(destroyed).toEqual([]);
  for (const id of ["n2", "n3", "n4"]) add(id, {});
  expect(destroyed).toEqual(["read", "waited", "e0"]);
});

test("a removed container has no execs", () => {
  const execs = new Execs("c1", [exec("x")]);
  execs.clear();
  expect([idsOf(execs), execs.find("x")]).toEqual([[], undefined]);
});
