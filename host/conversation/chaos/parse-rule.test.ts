import { expect, test } from "vitest";
import { parseRule } from "./parse-rule.ts";

const ANY = { call: undefined, direction: "request", conn: undefined, nth: undefined, chance: 1 };

test.each([
  ["call=ReadStdout,nth=3,delay=200ms", { call: "ReadStdout", nth: 3, action: { kind: "delay", ms: 200 } }],
  ["direction=response,cut=17", { direction: "response", action: { kind: "cut", bytes: 17 } }],
  ["chance=0.01,drop", { chance: 0.01, action: { kind: "drop" } }],
  ["conn=2, direction=both, duplicate", { conn: 2, direction: "both", action: { kind: "duplicate" } }],
  ["kill:4711", { action: { kind: "kill", pid: 4711 } }],
  ["delay=1.5s", { action: { kind: "delay", ms: 1500 } }],
  ["fail=UNAVAILABLE", { action: { kind: "fail", code: "unavailable", text: "" } }],
  ["fail=not_found:no such thing", { action: { kind: "fail", code: "not-found", text: "no such thing" } }],
  [
    'call=CreateContainer,fail=INTERNAL:"a \\"text\\", with commas"',
    { call: "CreateContainer", action: { kind: "fail", code: "internal", text: 'a "text", with commas' } },
  ],
])("parses %s", (text, rule) => {
  expect(parseRule(text)).toEqual({ ...ANY, text, ...rule });
});

test.each([
  ["", "the rule has no action; add one of delay, drop"],
  ["drop,", "the rule has an empty word"],
  ['fail=INTERNAL:"open', "the rule has an empty word or an open quote"],
  ["drop,drop", "drop is given twice; keep one"],
  ["dely=200ms", "dely is no word of rules; conditions are call, direction, conn, nth, chance, actions are delay"],
  ["call=ReadStdout", "the rule has no action; add one of delay, drop"],
  ["drop,delay=1s", "drop is a second action beside delay; write one rule for each"],
  ["call=Stdout,drop", "call=Stdout is no call of the agent; did you mean ReadStdout?"],
  ["call=Nope,drop", "call=Nope is no call of the agent; a call is written as ReadStdout"],
  ["call,drop", "call= is no call of the agent"],
  ["direction=up,drop", "direction=up is no direction; use request, response or both"],
  ["nth=0,drop", "nth=0 is no number; count from 1"],
  ["chance=2,drop", "chance=2 is no probability; use a number above 0, up to 1"],
  ["chance=0,drop", "chance=0 is no probability"],
  ["drop=1", "drop=1 takes no value; leave it out"],
  ["delay=200", "delay=200 is no time; use one such as 200ms or 1.5s, at most 60m"],
  ["delay=61m", "delay=61m is no time"],
  ["cut=-1", "cut=-1 is no number of bytes; use cut=0 to close before the frame"],
  ["kill=1", "kill=1 is no process id; use one above 1"],
  ["fail=OK", "fail=OK is no error; use one of CANCELED, UNKNOWN"],
  ["fail=constructor", "fail=constructor is no error"],
])("refuses %s, and names the word and the remedy", (text, message) => {
  expect(() => parseRule(text)).toThrow(`rule ${JSON.stringify(text)}: ${message}`);
});
