import { expect, it } from "vitest";
import { callQueue } from "./call-queue.ts";

const keepBusy = (ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

it.each(["begun", "answered"])("other work runs between calls that are all %s at once", async (kind) => {
  const order: string[] = [];
  const call = () => {
    keepBusy(5);
    order.push("call");
  };
  const calls = Array.from({ length: 10 }, () =>
    kind === "begun"
      ? new Promise<void>((resolve) => callQueue.run(() => resolve(call())))
      : callQueue.next().then(call),
  );
  setImmediate(() => order.push("other"));
  await Promise.all(calls);
  expect(order.filter((it) => it === "call")).toHaveLength(10);
  expect(order.indexOf("other")).toBeGreaterThanOrEqual(0);
  expect(order.indexOf("other")).toBeLessThan(9);
});
