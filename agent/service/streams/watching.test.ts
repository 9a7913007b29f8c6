import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { codec } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { AgentError } from "../../kernel/error.ts";
import type { Snapshot } from "./guest-state.ts";
import { type WatcherConnection, Watching } from "./watching.ts";

const { v1 } = guestd;
const request = codec("guestd.v1.WatchRequest", v1.WatchRequest);
const update = codec("guestd.v1.WatchUpdate", v1.WatchUpdate);

/** Counters that grow with each reading, unless they are still. */
class State {
  readings = 0;
  closed = 0;
  isStill = false;
  costMs = 0;
  /** Share of a processor that the guest uses. */
  busy = 0;
  #cpu = 0;

  read(): Snapshot {
    this.readings++;
    if (this.costMs > 0) vi.setSystemTime(Date.now() + this.costMs);
    if (!this.isStill) this.#cpu++;
    const guest = { fields: { cpus: 1 }, usage: { cpu_micros: this.#cpu + this.busy * Date.now() * 1000 } };
    return { micros: Date.now() * 1000, guest, containers: new Map(), processes: new Map(), forwards: new Map() };
  }

  close(): void {
    this.closed++;
  }
}

let state: State;
let watching: Watching;
beforeEach(() => {
  vi.useFakeTimers();
  state = new State();
  watching = new Watching({ policy: { check: () => undefined } as never }, state, () => Date.now());
});
afterEach(() => {
  vi.useRealTimers();
});

function watch(fields: object, send: WatcherConnection["send"] = async () => undefined) {
  const seen: guestd.v1.WatchUpdate[] = [];
  const close = watching.open(request.encode({ version: 1, ...fields }), {
    send: (number, payload) => {
      expect(number).toBe(seen.length);
      seen.push(update.decode(payload));
      return send(number, payload);
    },
  });
  return { seen, close };
}

test("sends the whole state at once, then changes at each watcher's interval, from one reading for all", async () => {
  const [fast, slow] = [watch({ interval_ms: 100 }), watch({})];
  await vi.advanceTimersByTimeAsync(0);
  expect([fast.seen.length, slow.seen.length, state.readings]).toEqual([1, 1, 1]);
  await vi.advanceTimersByTimeAsync(1000);
  expect([fast.seen.length, slow.seen.length, state.readings]).toEqual([11, 2, 11]);
  expect(fast.seen.map(({ whole }) => whole)).toEqual([true, ...Array(10).fill(false)]);
  fast.close();
  await vi.advanceTimersByTimeAsync(3000);
  expect([slow.seen.length, state.readings, state.closed]).toEqual([5, 14, 0]);
  slow.close();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([state.readings, state.closed, vi.getTimerCount()]).toEqual([14, 1, 0]);
});

test("is silent while nothing changes, but for an empty update every five seconds", async () => {
  state.isStill = true;
  const { seen, close } = watch({});
  await vi.advanceTimersByTimeAsync(10_500);
  expect(seen.map(({ guest }) => guest !== null)).toEqual([true, false, false]);
  close();
});

test("gives a watcher that is behind nothing until it has read, then one update with all changes", async () => {
  const read = Promise.withResolvers<void>();
  let sends = 0;
  const slow = watch({ interval_ms: 100 }, () => (++sends === 2 ? read.promise : Promise.resolve()));
  const other = watch({ interval_ms: 100 });
  await vi.advanceTimersByTimeAsync(1000);
  expect([slow.seen.length, other.seen.length]).toEqual([2, 11]);
  read.resolve();
  await vi.advanceTimersByTimeAsync(0);
  expect([slow.seen.at(-1)?.guest?.usage?.cpu_micros, slow.seen.length]).toEqual([state.readings, 3]);
  slow.close();
  other.close();
});

test.each([
  [100, 0.025],
  [500, 0.005],
  [1000, 0.0025],
  [60_000, 0.0025],
])("takes for updates every %i ms at most %f of the time, even if each is expensive", async (interval_ms, share) => {
  state.costMs = interval_ms / 2;
  const { close } = watch({ interval_ms });
  const begun = Date.now();
  await vi.advanceTimersByTimeAsync(2000 * interval_ms);
  const spent = state.readings * state.costMs;
  expect(spent).toBeLessThanOrEqual(share * (Date.now() - begun) + state.costMs); // the first one is at once
  expect(spent).toBeGreaterThan((share / 2) * (Date.now() - begun));
  close();
});

test("takes for updates of a busy guest at most 5 % of the time", async () => {
  state.costMs = 50;
  state.busy = 0.5;
  const { seen, close } = watch({});
  await vi.advanceTimersByTimeAsync(0);
  await vi.advanceTimersByTimeAsync(10_500);
  expect(seen.length).toBe(11);
  state.costMs = 200;
  const [begun, before] = [Date.now(), state.readings];
  await vi.advanceTimersByTimeAsync(100_000);
  const spent = (state.readings - before) * state.costMs;
  expect(spent).toBeLessThanOrEqual(0.05 * (Date.now() - begun));
  expect(spent).toBeGreaterThan(0.04 * (Date.now() - begun));
  close();
});

test("gives a new watcher two updates soon, even right after an expensive one of another watcher", async () => {
  state.costMs = 100;
  const first = watch({});
  await vi.advanceTimersByTimeAsync(2200);
  expect(first.seen.length).toBe(2);
  const second = watch({});
  await vi.advanceTimersByTimeAsync(4400);
  expect(second.seen.length).toBe(2);
  first.close();
  second.close();
});

test.each([500, 1000, 60_000])(
  "gives the first rates within a second, at an interval of %i ms",
  async (interval_ms) => {
    state.costMs = 300;
    const { seen, close } = watch({ interval_ms });
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen.length).toBe(2);
    close();
  },
);

test("forgets a watcher whose connection is closed", async () => {
  watch({}, () => Promise.reject(new Error("closed")));
  await vi.advanceTimersByTimeAsync(0);
  expect([state.closed, vi.getTimerCount()]).toEqual([1, 0]);
});

test("refuses bad requests, those that the policy denies, and one watcher too many", () => {
  const refusal = (fields: object) => {
    try {
      watching.open(request.encode(fields), { send: async () => undefined });
    } catch (error) {
      return (error as AgentError).message;
    }
    return undefined;
  };
  expect(refusal({})).toBe("watch: the request has no version; set 1");
  expect(refusal({ version: 1, interval_ms: 99 })).toBe("watch: an interval of 99 ms; choose 100 to 60000");
  const policy = {
    check: () => {
      throw new AgentError("permission-denied", "denied");
    },
  } as never;
  const denied = new Watching({ policy }, state);
  expect(() => denied.open(request.encode({ version: 1 }), { send: async () => undefined })).toThrow("denied");
  const closers = Array.from({ length: 32 }, () => watch({}).close);
  expect(refusal({ version: 1 })).toBe("watch: 32 clients watch already; end one");
  for (const close of closers) close();
});
