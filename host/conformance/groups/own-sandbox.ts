import type { CaseContext } from "../case-context.ts";

/** Ends the case unless this run's own sandbox exists. */
export async function ownSandbox(context: CaseContext): Promise<void> {
  const outcome = await context.session.sandbox();
  if (outcome === "existed") context.skip("the agent had a sandbox already");
}
