import { parseArgs } from "node:util";
import { containerd } from "../../proto/gen/containerd.js";
import { oneLine } from "../operation-error.ts";
import { ownArguments } from "../own-command.ts";
import { deleteShim } from "./delete-shim.ts";
import { reportFailure, serveShim } from "./serve-shim.ts";
import { type ShimCall, shimPlace } from "./shim-place.ts";
import { startShim } from "./start-shim.ts";
import { KILLED } from "./task-process.ts";
import { timestamp } from "./timestamp.ts";

const { DeleteResponse } = containerd.task.v2;

/** Engines write options with one dash, as Go's programs do. */
const { values, positionals } = parseArgs({
  args: ownArguments().map((word) => word.replace(/^-(?=[a-z])/, "--")),
  options: {
    namespace: { type: "string", default: "" },
    address: { type: "string", default: "" },
    "publish-binary": { type: "string", default: "" },
    id: { type: "string", default: "" },
    bundle: { type: "string", default: "" },
    debug: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const { namespace, address, id } = values;
const call: ShimCall = { namespace, address, id, bundle: values.bundle || process.cwd() };

try {
  switch (positionals[0]) {
    case "start":
      process.stdout.write(await startShim(call));
      break;
    case "delete":
      await deleteShim(call.bundle);
      process.stdout.write(DeleteResponse.encode({ exit_status: KILLED, exited_at: timestamp(new Date()) }).finish());
      break;
    case "serve":
      await serveShim(call, shimPlace(call)).catch(reportFailure);
      break;
    default:
      throw new Error("containerd-shim-guestd-v2: a container engine runs it, with start or delete; see docs/shim.md");
  }
} catch (error) {
  process.stderr.write(`${oneLine(error)}\n`);
  process.exitCode = 1;
}
