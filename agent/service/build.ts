// Generates agent/service/gen/rpcs.ts: the handler of every call, by its proto name. A call "GetOOMEvent" of the service
// "AgentService" is handled by `getOOMEvent` in agent/get-oom-event.ts.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { services } from "../../proto/gen/services.js";

const here = import.meta.dirname;
const out = join(here, "gen/rpcs.ts");

const calls = Object.entries(services).flatMap(([service, methods]) =>
  Object.keys(methods).map((method) => ({ method, file: `${folderOf(service)}/${kebab(method)}.ts` })),
);
for (const { method, file } of calls) {
  if (!existsSync(join(here, file))) {
    throw new Error(`generate agent/service/gen: ${method} has no handler; write agent/service/${file}`);
  }
}
const text = [
  `import type { MethodName, Rpc } from "../rpc.ts";`,
  ...calls.map(({ method, file }) => `import { ${camel(method)} } from "../${file}";`),
  "",
  "export const rpcs: { readonly [Name in MethodName]: Rpc<Name> } = {",
  ...calls.map(({ method }) => `  ${method}: ${camel(method)},`),
  "};",
  "",
].join("\n");

if (!existsSync(out) || readFileSync(out, "utf8") !== text) {
  mkdirSync(join(here, "gen"), { recursive: true });
  // Replaced atomically, as another process may be reading it.
  const temporary = `${out}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, out);
}

/** Maps "grpc.AgentService" to agent/, "grpc.Health" to health/. */
function folderOf(service: string): string {
  return kebab(service.replace(/^.*\./, "").replace(/Service$/, ""));
}

function camel(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function kebab(name: string): string {
  return name
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .replace(/([a-z\d])([A-Z])/g, "$1-$2")
    .toLowerCase();
}
