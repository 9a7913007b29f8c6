import type { grpc } from "../../proto/gen/messages.js";
import { type ExplainedStep, explainSpec } from "../container/explain/explain.ts";
import { toSpec } from "./oci-spec.ts";

/** The launch plan of a spec, without any guest. Throws the line that CreateContainer would give. */
export function explainMessage(spec: grpc.Spec): ExplainedStep[] {
  return explainSpec(toSpec(spec));
}
