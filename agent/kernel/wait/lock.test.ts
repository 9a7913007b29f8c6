import { expect, test } from "vitest";
import { Lock, LockByName } from "./lock.ts";

/** Work that ends when the test says so, and says when it begins. */
function step(order: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const work = () => {
    order.push(name);
    return promise;
  };
  return { work, end: () => resolve(name), fail: () => reject(new Error(name)) };
}

test("work under a lock runs one at a time, in call order, and a failure doesn't block the next", async () => {
  const lock = new Lock();
  const order: string[] = [];
  const [one, two, three] = ["one", "two", "three"].map((name) => step(order, name)) as [
    ReturnType<typeof step>,
    ReturnType<typeof step>,
    ReturnType<typeof step>,
  ];
  const results = [one, two, three].map(({ work }) => lock.run(work));
  await new Promise(setImmediate);
  expect(order).toEqual(["one"]);
  one.fail();
  await expect(results[0]).rejects.toThrow("one");
  await new Promise(setImmediate);
  expect(order).toEqual(["one", "two"]);
  two.end();
  three.end();
  expect(await Promise.all(results.slice(1))).toEqual(["two", "three"]);
});

test("locks of different names don't wait for each other, and those of one name do", async () => {
  const locks = new LockByName();
  const order: string[] = [];
  const [first, second, other, late] = ["first", "second", "other", "late"].map((name) => step(order, name)) as [
    ReturnType<typeof step>,
    ReturnType<typeof step>,
    ReturnType<typeof step>,
    ReturnType<typeof step>,
  ];
  const results = [locks.run("a", first.work), locks.run("a", second.work), locks.run("b", other.work)];
  await new Promise(setImmediate);
  expect(order).toEqual(["first", "other"]);
  first.end();
  await results[0];
  // One holder is left: a further call waits for it.
  results.push(locks.run("a", late.work));
  await new Promise(setImmediate);
  expect(order).toEqual(["first", "other", "second"]);
  for (const each of [second, other, late]) each.end();
  expect(await Promise.all(results)).toEqual(["first", "second", "other", "late"]);
});
