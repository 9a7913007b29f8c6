import { expect, test } from "vitest";
import { agentService, guest, health } from "../../proto/gen/services.js";
import { GROUPS } from "./groups.ts";

const cases = GROUPS.flatMap(({ cases }) => cases);

test("there are at least 250 cases, each with a unique name", () => {
  const names = cases.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  expect(names.length).toBeGreaterThanOrEqual(250);
});

test("each name is a call, a colon and a sentence without a full stop", () => {
  const calls = new Set([agentService, health, guest].flatMap((service) => Object.keys(service)));
  const wrong = cases.filter(({ name }) => {
    const [, call = ""] = /^(\w+): \S.*[^.]$/s.exec(name) ?? [];
    return !calls.has(call) || name.length > 130;
  });
  expect(wrong.map(({ name }) => name)).toEqual([]);
});

test("each case has the source of its rule, and only cases of level may have guestd as their source", () => {
  const wrong = cases.filter(({ source, level }) => source === "" || (/^guestd\b/.test(source) && level !== "may"));
  expect(wrong.map(({ name }) => name)).toEqual([]);
});

test("every call of the contract has a case", () => {
  const tested = new Set(cases.map(({ name }) => name.split(":")[0]));
  const all = [agentService, health].flatMap((service) => Object.keys(service));
  expect(all.filter((call) => !tested.has(call))).toEqual([]);
});

test("cases that end the agent are in groups that run one case at a time", () => {
  const wrong = GROUPS.filter(({ parallel, cases }) => parallel === true && cases.some(({ endsAgent }) => endsAgent));
  expect(wrong.map(({ name }) => name)).toEqual([]);
});
