import { expect, test } from "vitest";
import type { ListedProcess } from "../output/process-list.ts";
import { meansEnded, type ProcessFilter, passesFilter, processFilter } from "./process-filter.ts";

const filterOf = (...texts: string[]) => texts.reduce<ProcessFilter>((all, text) => processFilter(text, all), {});

const web: ListedProcess = {
  ...{ guest: "g", container: "web-1", process: "init", state: "exited", exitCode: 0, startedAt: "" },
  ...{ image: "nginx:1", labels: { app: "web", tier: "" } },
};

test.each([
  ["name=web", true],
  ["name=db", false],
  ["id=b-1", true],
  ["label=app", true],
  ["label=app=web", true],
  ["label=app=we", false],
  ["label=tier=", true],
  ["label=toString", false],
  ["status=exited", true],
  ["status=running", false],
  ["ancestor=nginx:1", true],
  ["ancestor=nginx", false],
  ["exited=0", true],
  ["exited=1", false],
])("%s passes a container: %s", (text, expected) => {
  expect(passesFilter(web, filterOf(text))).toBe(expected);
});

test("one value of each key has to match, of every key", () => {
  expect(passesFilter(web, {})).toBe(true);
  expect(passesFilter(web, filterOf("status=running", "status=exited", "name=web"))).toBe(true);
  expect(passesFilter(web, filterOf("status=exited", "name=db"))).toBe(false);
});

test("a guest without containers passes no filter of containers", () => {
  const idle: ListedProcess = { guest: "g", state: "idle", startedAt: "" };
  for (const text of ["name=web", "label=a", "ancestor=nginx", "exited=0"]) {
    expect(passesFilter(idle, filterOf(text)), text).toBe(false);
  }
});

test("ended containers are meant by their state only", () => {
  expect(meansEnded(filterOf("status=exited"))).toBe(true);
  expect(meansEnded(filterOf("exited=0"))).toBe(true);
  expect(meansEnded(filterOf("name=exited"))).toBe(false);
});

test("unknown keys are refused with the known ones", () => {
  for (const text of ["volume=x", "name", "name=", "constructor=x"]) {
    expect(() => processFilter(text), text).toThrow(/keys name, id, label, status, ancestor, exited/);
  }
});
