import { expect, test } from "vitest";
import { CreationGate } from "./creation-gate.ts";

test("refuses calls while it is closed, with the reason", () => {
  let reason: string | undefined = "closed for a test";
  const gate = new CreationGate(() => reason);
  expect(() => gate.check("create x")).toThrow("create x: closed for a test");
  expect(() => gate.enter("create x")).toThrow(expect.objectContaining({ kind: "unavailable" }));
  reason = undefined;
  gate.check("create x");
});

test("is emptied once all calls have left it, those of earlier agents too", async () => {
  const gate = new CreationGate(() => "closed");
  await gate.emptied();
  const inside = [gate.enter("a", 1), gate.enter("b", 2)];
  let isEmpty = false;
  const emptied = gate.emptied().then(() => {
    isEmpty = true;
  });
  for (const call of inside) {
    await new Promise(setImmediate);
    expect(isEmpty).toBe(false);
    call[Symbol.dispose]();
  }
  await emptied;
});
