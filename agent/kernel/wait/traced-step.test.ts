import { afterEach, expect, test } from "vitest";
import { type StepEvent, steps, tracedStep } from "./traced-step.ts";

const events: StepEvent[] = [];
const listen = (event: unknown) => void events.push(event as StepEvent);
afterEach(() => {
  steps.unsubscribe(listen);
  events.length = 0;
});

test("a step is told once it is over, with its name and times", async () => {
  steps.subscribe(listen);
  expect(await tracedStep("mounts", async () => 7)).toBe(7);
  expect(events).toEqual([{ name: "mounts", began: expect.any(Number), ended: expect.any(Number), error: undefined }]);
  const [{ began, ended }] = events as [StepEvent];
  expect(ended).toBeGreaterThanOrEqual(began);
});

test("a step that fails is told with its error, and fails", async () => {
  steps.subscribe(listen);
  const error = new Error("no");
  await expect(tracedStep("mounts", () => Promise.reject(error))).rejects.toBe(error);
  expect(events.map(({ name, error }) => [name, error])).toEqual([["mounts", error]]);
});

test("without a listener the work is done all the same", async () => {
  expect(await tracedStep("mounts", () => 7)).toBe(7);
  expect(events).toEqual([]);
});
