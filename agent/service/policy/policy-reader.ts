import { constantPolicy } from "./constant-policy.ts";
import type { PolicyReader } from "./policy-engine.ts";
import { loadRego, type RegoModule } from "./rego-module.ts";
import { regoPolicy } from "./rego-policy.ts";

/** Returns a reader that uses the Rego engine if the image has one, loaded with the first policy; otherwise only constant rules. */
export function policyReader(enginePath: () => string | undefined): PolicyReader {
  let rego: RegoModule | undefined;
  return (text, data) => {
    const path = enginePath();
    if (rego === undefined && path !== undefined) rego = loadRego(path);
    return rego === undefined ? constantPolicy(text) : regoPolicy(rego, text, data);
  };
}
