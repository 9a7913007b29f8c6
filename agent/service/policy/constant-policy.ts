import { AgentError } from "../../kernel/error.ts";
import type { PolicyEngine } from "./policy-engine.ts";

const RULE = /^(?:default\s+)?(\w+)\s*:?=\s*(true|false)$/;
const IMPORT = /^import\s+(?:rego\.v1|future\.keywords(?:\.\w+)?)$/;

/**
 * Reads the subset of Rego that needs no engine: rules that are constantly true or false, as in the reference agent's samples. A rule
 * defined twice with different values is false.
 */
export function constantPolicy(text: string): PolicyEngine {
  const rules = new Map<string, boolean>();
  let inPackage = false;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    if (line === "" || IMPORT.test(line)) continue;
    if (!inPackage && line === "package agent_policy") {
      inPackage = true;
      continue;
    }
    const [, name = "", value] = RULE.exec(line) ?? [];
    if (!inPackage || value === undefined) throw notConstant(index + 1, inPackage);
    rules.set(name, value === "true" && rules.get(name) !== false);
  }
  if (!inPackage) throw notConstant(1, false);
  const failuresPass = rules.get("AllowRequestsFailingPolicy") === true;
  return {
    ask(request) {
      const allowed = rules.get(request);
      if (allowed === undefined && !failuresPass) {
        throw new AgentError("internal", `policy check of ${request}: the policy has no rule of that name`);
      }
      const reason = allowed === false ? `rule ${request} is false` : "";
      return { allowed: allowed === true || failuresPass, reason };
    },
  };
}

function notConstant(line: number, inPackage: boolean): AgentError {
  const what = inPackage
    ? "not `default NAME := true` or false: other rules need the Rego engine, which an image has when it is built --with-policy"
    : 'not "package agent_policy", with which a policy begins';
  return new AgentError("invalid-argument", `policy, line ${line}: ${what}`);
}
