import { availableParallelism } from "node:os";
import packageJson from "../../package.json" with { type: "json" };
import { sideBySide } from "./side-by-side.ts";

// In the order of package.json, which begins with those that take longest: begun last, one of them would run alone.
const names = Object.keys(packageJson.scripts).filter((name) => name.startsWith("check:"));
const checks = names.map((name) => ({ name, command: ["npm", "run", "-s", name] as const }));

const failed = await sideBySide(checks, availableParallelism(), (text) => process.stdout.write(text));
if (failed.length > 0) {
  console.error(`npm run check: ${failed.join(", ")} failed; see above`);
  process.exitCode = 1;
}
