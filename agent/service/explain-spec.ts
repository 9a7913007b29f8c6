import type { grpc } from "../../proto/gen/messages.js";
import { type ExplainedStep, explainSpec } from "../container/explain/explain.ts";
import { toSpec } from "./oci-spec.ts";

/** Returns the launch plan of a spec, without a guest. Throws with the message that CreateContainer would fail with. */
export function explainMessage(spec: grpc.Spec): ExplainedStep[] {
  return explainSpec(toSpec(spec));
}
