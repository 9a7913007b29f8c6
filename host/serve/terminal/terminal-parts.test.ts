import { expect, test } from "vitest";
import { CheckedFields } from "../checked-fields.ts";
import { EndedExecs } from "./ended-execs.ts";
import { Owners } from "./owners.ts";
import { readTerminal } from "./read-terminal.ts";
import { Window } from "./window.ts";

test("a window is open until so much is sent that wasn't shown", async () => {
  const window = new Window(10);
  window.sent(10);
  expect(window.isOpen).toBe(false);
  window.show(11); // more than was sent
  expect(window.isOpen).toBe(false);
  const opened = window.opened();
  window.show(1);
  await opened;
  window.sent(1);
  const closed = window.opened();
  window.close();
  await closed;
});

test("a terminal has one owner, and those that wait have their turn", () => {
  const owners = new Owners();
  const [one, two, calls] = [{}, {}, [] as string[]];
  expect(owners.claim("t", one)).toBe(true);
  expect(owners.claim("t", two)).toBe(false);
  const stop = owners.onFree("t", () => calls.push("two"));
  owners.release("t", two);
  expect(calls).toEqual([]);
  owners.release("t", one);
  expect(calls).toEqual(["two"]);
  owners.takeOver("t", two);
  stop();
  owners.release("t", two);
  expect(calls).toEqual(["two"]);
});

test("the last 256 ends of execs are remembered", () => {
  const ended = new EndedExecs();
  for (let number = 0; number <= 256; number++) ended.add(`x-${number}`, { code: number, signal: 0 });
  expect([ended.get("x-0"), ended.get("x-1")?.code, ended.get("x-256")?.code]).toEqual([undefined, 1, 256]);
});

const PLACE = { guest: "g", container: "c", cols: 80, rows: 24 };

test.each([
  [{ ...PLACE, command: ["sh"] }, true, "command: an exec id must be chosen for it"],
  [{ ...PLACE, exec: "x-1", command: ["sh"] }, false, /^read-only: start guestctl serve with --allow-exec/],
  [{ ...PLACE, exec: "x-1", command: [] }, true, "command: it has no words"],
  [{ ...PLACE, exec: "../x" }, true, /^exec "..\/x": use letters/],
  [{ ...PLACE, exec: "x-1", command: "sh" }, true, /^command: expected at most 64 texts/],
  [{ ...PLACE, cols: 0 }, true, "cols: expected a whole number from 1 to 1000"],
  [{ ...PLACE, from: { epoch: "no", offset: 0 } }, true, "epoch: expected hexadecimal digits"],
  [{ ...PLACE, guest: undefined }, true, "guest: missing"],
])("refuses the terminal %j", (fields, allowExec, message) => {
  expect(() => readTerminal(new CheckedFields(fields), allowExec)).toThrow(message);
});

test("a page may own a terminal if it may run and wants to", () => {
  const read = (fields: object, allowExec: boolean) =>
    readTerminal(new CheckedFields({ ...PLACE, exec: "x-1", ...fields }), allowExec).mayOwn;
  expect([read({}, true), read({ observe: true }, true), read({}, false)]).toEqual([true, false, false]);
});
