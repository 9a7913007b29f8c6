// Generates proto/gen/{messages,otlp,services,containerd,containerd-services}.js, each with a .d.ts, from the .proto files. Does
// nothing if they are up to date.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Namespace, Type } from "protobufjs";
import { isText } from "./is-text.ts";

const here = import.meta.dirname;
const out = join(here, "gen");
/** otlp is a separate module, since it is only loaded when calls are traced; containerd's messages are the shim's alone. */
const modules = {
  containerd: [
    "cgroup-metrics.proto",
    "containerd-events.proto",
    "containerd-forward.proto",
    "containerd-task.proto",
    "containerd-types.proto",
  ],
  messages: [
    "agent.proto",
    "capture.proto",
    "copy.proto",
    "cores.proto",
    "events.proto",
    "forward.proto",
    "guestd.proto",
    "health.proto",
    "streams.proto",
    "ttrpc.proto",
    "watch.proto",
  ],
  otlp: ["otlp.proto"],
} as const;

/** Only encode and decode, with proto names, numbers for 64-bit integers, and null for absent values. */
const options = [
  ...["--target", "static-module", "--wrap", "esm", "--keep-case", "--force-number", "--null-semantics"],
  ...["--no-create", "--no-verify", "--no-convert", "--no-delimited", "--no-typeurl", "--no-service"],
  ...["--no-comments", "--no-beautify", "--dependency", "../runtime.ts"],
];

/** The modules that also have services, and the modules of these. */
const SERVICES: Readonly<Record<string, string>> = { messages: "services", containerd: "containerd-services" };

const stamp = `// ${inputHash()}\n`;
for (const [name, roots] of Object.entries(modules)) {
  const outputs = [name, SERVICES[name]].filter((output) => output !== undefined);
  const files = outputs.flatMap((output) => [`${output}.js`, `${output}.d.ts`]);
  if (!files.every((file) => firstLine(join(out, file)) === stamp)) await generate(name, roots);
}

/** Hashes all inputs of the generated code. */
function inputHash(): string {
  const hash = createHash("sha256");
  const names = readdirSync(here).filter((name) => name.endsWith(".proto"));
  for (const name of [...names.sort(), "build.ts", "declarations.ts", "services.ts", "is-text.ts"]) {
    hash
      .update(name)
      .update("\0")
      .update(readFileSync(join(here, name)));
  }
  for (const name of ["protobufjs", "protobufjs-cli"]) {
    hash.update(readFileSync(createRequire(import.meta.url).resolve(`${name}/package.json`)));
  }
  return hash.digest("hex");
}

function firstLine(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text.slice(0, text.indexOf("\n") + 1);
  } catch {
    return undefined;
  }
}

async function generate(name: string, roots: readonly string[]): Promise<void> {
  const [{ pbjs }, { default: protobuf }, { declarations }, { servicesModule }] = await Promise.all([
    import("protobufjs-cli"),
    import("protobufjs"),
    import("./declarations.ts"),
    import("./services.ts"),
  ]);
  const code = await new Promise<string>((resolve, reject) => {
    pbjs.main(
      [...options, "--root", name, "--path", here, ...roots.map((name) => join(here, name))],
      (error, output) => (error === null && output !== undefined ? resolve(output) : reject(error)),
    );
  });
  // pbjs writes a default import, but our runtime is a named export.
  const header = 'import $protobuf from "../runtime.ts";';
  if (!code.includes(header)) throw new Error(`generate proto/gen: pbjs did not write ${header}; adapt proto/build.ts`);

  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (target.startsWith("google/") ? target : join(here, target));
  await root.load([...roots], { keepCase: true, alternateCommentMode: true });
  root.resolveAll();

  const types = all(root, protobuf.Type);
  const made = types.reduce(madeOnUse, types.reduce(readExactFields, code));
  write(`${name}.js`, made.replace(header, 'import { runtime as $protobuf } from "../runtime.ts";'));
  write(`${name}.d.ts`, declarations(root));
  const output = SERVICES[name];
  if (output === undefined) return;
  const services = servicesModule(root, `./${name}.js`);
  write(`${output}.js`, services.code);
  write(`${output}.d.ts`, services.declarations);
}

function all<T>(namespace: Namespace, kind: new (...args: never[]) => T): T[] {
  return namespace.nestedArray.flatMap((object) => [
    ...(object instanceof kind ? [object] : []),
    ...("nestedArray" in object ? all(object as Namespace, kind) : []),
  ]);
}

/** Makes the generated code read a message's uint64 fields with `jstype = JS_STRING` as decimal text. */
function readExactFields(code: string, type: Type): string {
  const fields = type.fieldsArray.filter(isText);
  if (fields.length === 0) return code;
  const start = code.indexOf(`${type.fullName.slice(1)} = (function`);
  const end = code.indexOf(`return ${type.name};`, start);
  let section = code.slice(start, end);
  for (const { name } of fields) {
    const absent = new RegExp(`(prototype\\.${name} = ).*;`);
    const read = new RegExp(`typeof \\(v = r\\.uint64\\(\\)\\)[^\\n]*\\)(\\s+m\\.${name} = v;)`);
    if (!absent.test(section) || !read.test(section)) {
      throw new Error(`generate proto/gen: ${type.name}.${name} is not read as expected; adapt proto/build.ts`);
    }
    section = section.replace(absent, '$1"0";').replace(read, '(v = r.uint64Text()) !== "0")$1');
  }
  return code.slice(0, start) + section + code.slice(end);
}

/**
 * Makes the generated code of a message run at its first use. Messages with others inside them stay as they are: those are
 * the outer one's properties.
 */
function madeOnUse(code: string, { fullName, name, nestedArray, parent }: Type): string {
  if (parent === null || "fieldsArray" in parent || nestedArray.length > 0) return code;
  const indent = `\n${"    ".repeat(fullName.split(".").length - 2)}`;
  const begin = `${indent}${parent.name}.${name} = (function() {\n`;
  const end = `${indent}})();\n`;
  const from = code.indexOf(begin);
  const to = code.indexOf(end, from);
  const section = code.slice(from + begin.length, to);
  const construct = `new $root${fullName}()`;
  if (from < 0 || to < 0 || section.split(construct).length !== 2) {
    throw new Error(`generate proto/gen: ${fullName} is not made as expected; adapt proto/build.ts`);
  }
  const late = section.replace(construct, `new ${name}()`);
  const rest = code.slice(to + end.length);
  return `${code.slice(0, from)}${begin.replace("(function", "$protobuf.late(function")}${late}${indent}});\n${rest}`;
}

/** Writes atomically, as other processes may be reading. */
function write(name: string, text: string): void {
  mkdirSync(out, { recursive: true });
  const temporary = join(out, `.${name}.${process.pid}`);
  writeFileSync(temporary, stamp + text);
  renameSync(temporary, join(out, name));
}
