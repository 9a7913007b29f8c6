import fc from "fast-check";
import { expect, test } from "vitest";
import { constantPolicy } from "./constant-policy.ts";

const ask = (text: string, request: string) => constantPolicy(text).ask(request, () => "{}");

test("constant rules are read as in the reference agent's samples", () => {
  const text = `# Copyright
package agent_policy

import rego.v1
import future.keywords.in

default AddARPNeighborsRequest := true
default ExecProcessRequest := false # not that
`;
  expect(ask(text, "AddARPNeighborsRequest")).toEqual({ allowed: true, reason: "" });
  expect(ask(text, "ExecProcessRequest")).toEqual({ allowed: false, reason: "rule ExecProcessRequest is false" });
});

test("a request without a rule fails", () => {
  expect(() => ask("package agent_policy", "toString")).toThrow(
    expect.objectContaining({
      kind: "internal",
      message: "policy check of toString: the policy has no rule of that name",
    }),
  );
});

test("AllowRequestsFailingPolicy allows everything", () => {
  const text = "package agent_policy\ndefault AllowRequestsFailingPolicy := true\ndefault ExecProcessRequest := false";
  expect(ask(text, "ExecProcessRequest").allowed).toBe(true);
  expect(ask(text, "Unheard").allowed).toBe(true);
});

test.each([
  ["package other\ndefault A := true", /^policy, line 1: not "package agent_policy"/],
  ["package agent_policy\nA { input.x == 1 }", /^policy, line 2: .* need the Rego engine/],
  ["package agent_policy\ndefault A := 1", /^policy, line 2/],
  ["package agent_policy\npackage agent_policy", /^policy, line 2/],
  ["", /^policy, line 1/],
])("%j is refused in one line", (text, message) => {
  expect(() => constantPolicy(text)).toThrow(expect.objectContaining({ kind: "invalid-argument" }));
  expect(() => constantPolicy(text)).toThrow(message);
});

test("a rule with two values is false", () => {
  expect(ask("package agent_policy\nA := false\nA := true", "A").allowed).toBe(false);
});

test("only a text with a true rule allows anything", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        expect(ask(`package agent_policy\n${text}`, "A").allowed).toBe(/A\s*:?=\s*true/.test(text));
      } catch {
        // Refused, which allows nothing.
      }
    }),
  );
});
