import { expect, test } from "vitest";
import { Pool, type Pooled, type PoolSettings } from "./pool.ts";

class Item implements Pooled {
  readonly #end = new AbortController();
  readonly number: number;
  isStopped = false;

  constructor(number: number) {
    this.number = number;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.#end.abort();
  }
}

/** A pool whose sandboxes are made when the test says so. */
function pool(settings: Partial<PoolSettings<Item>> = {}) {
  const starts: PromiseWithResolvers<Item>[] = [];
  const awaited: boolean[] = [];
  const create = (signal: AbortSignal, isAwaited: boolean) => {
    awaited.push(isAwaited);
    const start = Promise.withResolvers<Item>();
    signal.addEventListener("abort", () => start.reject(signal.reason));
    starts.push(start);
    return start.promise;
  };
  const made = new Pool<Item>({ size: 2, max: 10, starts: 10, create, ...settings });
  let count = 0;
  const finish = async () => {
    const item = new Item(++count);
    starts.shift()?.resolve(item);
    await settled();
    return item;
  };
  return { pool: made, starts, awaited, finish };
}

/** Lets everything happen that waits for nothing. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("keeps its size ready, and replaces what is taken", async () => {
  const { pool: made, starts, finish } = pool();
  expect(starts).toHaveLength(2);
  const first = await finish();
  await finish();
  expect([made.ready, starts.length]).toEqual([2, 0]);
  expect(await made.take()).toBe(first);
  expect([made.ready, starts.length]).toEqual([1, 1]);
});

test("says whether a take waits while one is made", async () => {
  const { pool: made, awaited, finish } = pool({ size: 1 });
  const takes = [made.take(), made.take()];
  for (let count = 0; count < 3; count++) await finish();
  await Promise.all(takes);
  await made.take();
  expect(awaited).toEqual([false, true, true, false]);
});

test("a take that finds none ready gets the next, in the order of the takes", async () => {
  const { pool: made, finish } = pool({ size: 1 });
  const takes = [made.take(), made.take()];
  const [one, two] = [await finish(), await finish()];
  expect(await Promise.all(takes)).toEqual([one, two]);
});

test("a ready sandbox that dies is replaced", async () => {
  const { pool: made, starts, finish } = pool({ size: 1 });
  const dead = await finish();
  await dead.stop();
  expect([made.ready, starts.length]).toEqual([0, 1]);
  const next = await finish();
  expect(await made.take()).toBe(next);
});

test("never makes more than the maximum, counting those taken until they end", async () => {
  const { pool: made, starts, finish } = pool({ size: 2, max: 2 });
  await finish();
  await finish();
  const taken = await made.take();
  await made.take();
  const third = made.take();
  expect(starts).toHaveLength(0);
  await taken.stop();
  expect(starts).toHaveLength(1);
  const last = await finish();
  expect(await third).toBe(last);
});

test("makes no more at once than allowed", async () => {
  const { starts, finish } = pool({ size: 5, starts: 2 });
  expect(starts).toHaveLength(2);
  await finish();
  expect(starts).toHaveLength(2);
});

test("a failure rejects the take that waited longest, and the next take tries again", async () => {
  const { pool: made, starts, finish } = pool({ size: 1 });
  const take = made.take();
  const failed = expect(take).rejects.toThrow(/no QEMU/);
  starts.shift()?.reject(new Error("no QEMU"));
  await failed;
  starts.shift()?.reject(new Error("still no QEMU"));
  await settled();
  expect(starts).toHaveLength(0);
  const next = made.take();
  expect(starts.length).toBeGreaterThan(0);
  const item = await finish();
  expect(await next).toBe(item);
});

test("a take that is given up leaves its sandbox to others", async () => {
  const { pool: made, finish } = pool({ size: 1 });
  const stop = new AbortController();
  const given = expect(made.take({ signal: stop.signal })).rejects.toMatchObject({ code: "aborted" });
  stop.abort();
  await given;
  const item = await finish();
  expect(await made.take()).toBe(item);
});

test("closing stops those ready and being made, rejects waiting takes, and leaves those taken", async () => {
  const { pool: made, starts, finish } = pool({ size: 1 });
  await finish();
  const taken = await made.take();
  const ready = await finish();
  await made.take();
  const waiting = expect(made.take()).rejects.toMatchObject({ code: "stopped" });
  const late = starts[0];
  const closing = made.close();
  late?.resolve(new Item(9));
  await closing;
  await waiting;
  expect([taken.isStopped, ready.isStopped, made.ready]).toEqual([false, false, 0]);
  await expect(made.take()).rejects.toMatchObject({ code: "stopped" });
});

test("a sandbox that is finished after the close is stopped", async () => {
  const item = new Item(1);
  const start = Promise.withResolvers<Item>();
  const made = new Pool<Item>({ size: 1, max: 1, starts: 1, create: () => start.promise });
  const closing = made.close();
  start.resolve(item);
  await closing;
  expect(item.isStopped).toBe(true);
});
