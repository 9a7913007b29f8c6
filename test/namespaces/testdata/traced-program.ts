// Uses a sandbox at an agent: its address and the image's path are the arguments.
import { Sandbox } from "../../../host/sdk/index.ts";

const [address = "", path = ""] = process.argv.slice(2);
await using sandbox = await Sandbox.create({ name: "traced", image: { path }, address });
console.log((await sandbox.exec("echo hello")).stdout.trim());
await sandbox.exec(["nonsense"]).catch((error: unknown) => console.log(String((error as Error).message).split("(")[0]));
console.log(typeof (await sandbox.stats()).cpuSeconds);
