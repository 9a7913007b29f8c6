import { existsSync } from "node:fs";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../..");
/** Folder of the reference agent and its run.sh: beside the checkout, or by GUESTD_REFERENCE. It is not part of the project. */
const folder = process.env["GUESTD_REFERENCE"] ?? join(repository, "../shared/reference");
const run = join(folder, "run.sh");

/** Reason why the reference agent can't be started; undefined if it can. */
export const whyNoReference = existsSync(run) ? undefined : `no reference agent: ${run} does not exist`;

/** Shell command that starts the reference agent, for `guestctl conformance --start`. */
export const REFERENCE = `bare: exec ${join(import.meta.dirname, "start.sh")} ${run} {address}`;
