import { AgentError } from "../../kernel/error.ts";
import type { PolicyData, PolicyEngine, Verdict } from "./policy-engine.ts";
import type { RegoModule } from "./rego-module.ts";

const FIRST_DATA = '{"pstate":{}}';

/**
 * Loads a policy in Rego. The rule of a request yields a boolean, or an object with `allowed` and `ops`, a JSON patch of the policy's
 * own data that is applied if the request is allowed. If the rule AllowRequestsFailingPolicy is true, every request is allowed.
 */
export function regoPolicy(rego: RegoModule, text: string, data: PolicyData): PolicyEngine {
  try {
    rego.setPolicy(text, data.kept ?? FIRST_DATA);
  } catch (cause) {
    throw new AgentError("invalid-argument", `policy: ${(cause as Error).message}`, { cause });
  }
  const failuresPass = isTrue(rego, "AllowRequestsFailingPolicy");
  return {
    ask(request, input) {
      try {
        const verdict = ask(rego, request, input(), data);
        return failuresPass ? { ...verdict, allowed: true } : verdict;
      } catch (error) {
        if (failuresPass) return { allowed: true, reason: "" };
        if (error instanceof AgentError) throw error;
        const why = error instanceof Error ? error.message : String(error);
        throw new AgentError("internal", `policy check of ${request}: ${why}`, { cause: error });
      }
    },
  };
}

function ask(rego: RegoModule, request: string, input: string, data: PolicyData): Verdict {
  const { values, prints } = rego.query(`data.agent_policy.${request}`, input);
  const [value] = values;
  if (value === undefined || values.length > 1) throw new Error("the policy has no rule of that name that is defined");
  const { allowed, ops } = readValue(value);
  if (allowed && ops !== undefined) data.keep(rego.patchData(ops));
  return { allowed, reason: prints.join(" ") || (allowed ? "" : `rule ${request} is false`) };
}

function readValue(value: unknown): { readonly allowed: boolean; readonly ops?: unknown } {
  if (typeof value === "boolean") return { allowed: value };
  const { allowed, ops } = (value ?? {}) as { readonly allowed?: unknown; readonly ops?: unknown };
  if (typeof allowed !== "boolean") throw new Error("the rule gives neither a boolean nor an object with allowed");
  return ops === undefined || ops === null ? { allowed } : { allowed, ops };
}

function isTrue(rego: RegoModule, rule: string): boolean {
  try {
    return rego.query(`data.agent_policy.${rule}`, "{}").values[0] === true;
  } catch {
    return false;
  }
}
