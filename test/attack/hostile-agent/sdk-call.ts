// Makes one call of the SDK at an agent: `sdk-call.ts ADDRESS CALL FOLDER`. Prints the error that ends it.
import { Sandbox } from "../../../host/sdk/sandbox/sandbox.ts";
import { FILE_CALLS, SDK_CALLS } from "./sdk-lines.ts";

const [address = "", name = "", copied = ""] = process.argv.slice(2);
const call = name.startsWith("files.") ? FILE_CALLS[name.slice("files.".length)] : SDK_CALLS[name];
if (call === undefined || typeof call === "string") throw new Error(`${name} is no call`);
try {
  const sandbox = await Sandbox.connect(address, { container: "web" });
  await call(sandbox, copied);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
}
process.exit(0);
