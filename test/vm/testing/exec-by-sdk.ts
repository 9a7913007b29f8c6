// Lists sandboxes, connects to one, and runs each line of its input there: `exec-by-sdk.ts NAME`. Prints the outputs. The
// line "limit" sets its time limit.
import { createInterface } from "node:readline";
import { Sandbox } from "../../../host/sdk/index.ts";

const [name = ""] = process.argv.slice(2);
console.log((await Sandbox.list()).map((each) => each.name).join(" "));
await using sandbox = await Sandbox.connect(name);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "limit") {
    await sandbox.setTimeout(1_000_000);
    console.log("limited");
  } else process.stdout.write((await sandbox.exec(line)).stdout);
}
