import type { Metafile } from "esbuild";
import { describe, expect, test } from "vitest";
import { refuseMistakes } from "./check-bundle.ts";

type Import = Metafile["inputs"][string]["imports"][number];

const still = (path: string): Import => ({ path, kind: "import-statement" });
const late = (path: string): Import => ({ path, kind: "dynamic-import" });

function metafile(inputs: Readonly<Record<string, Import[]>>): Metafile {
  return {
    inputs: Object.fromEntries(Object.entries(inputs).map(([path, imports]) => [path, { bytes: 1, imports }])),
    outputs: { "agent.cjs": { bytes: 1, inputs: {}, imports: [], exports: [], entryPoint: "agent/main.ts" } },
  };
}

const check = (inputs: Readonly<Record<string, Import[]>>) => () => refuseMistakes(metafile(inputs), ["./grpc.cjs"]);

describe("refuseMistakes", () => {
  test("accepts a bundle that loads gRPC on demand", () => {
    const inputs = { "agent/main.ts": [late("agent/grpc.ts")], "agent/grpc.ts": [still("./grpc.cjs")] };
    expect(check(inputs)).not.toThrow();
  });

  test("refuses one that loads gRPC at start, and names the import chain", () => {
    const inputs = { "agent/main.ts": [still("agent/grpc.ts")], "agent/grpc.ts": [still("./grpc.cjs")] };
    expect(check(inputs)).toThrow(
      "bundle: ./grpc.cjs is loaded at start (agent/main.ts → agent/grpc.ts → ./grpc.cjs): use import() on the way there",
    );
  });

  test.each(["@grpc/proto-loader", "yargs", "yargs-parser", "pino-pretty"])("refuses %s", (name) => {
    const path = `node_modules/${name}/index.js`;
    expect(check({ "agent/main.ts": [still(path)], [path]: [] })).toThrow(
      `bundle: it contains ${name} (imported by agent/main.ts), which must stay out of the guest`,
    );
  });

  test("refuses a second protobufjs", () => {
    const inputs = {
      "node_modules/protobufjs/minimal.js": [],
      "node_modules/x/node_modules/protobufjs/minimal.js": [],
    };
    expect(check(inputs)).toThrow(
      "bundle: it contains more than one protobufjs: node_modules/protobufjs, node_modules/x/node_modules/protobufjs",
    );
  });
});
