import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { runInThisContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { bundleAgent } from "./bundle.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const STAND_IN = join(import.meta.dirname, "testing", "stand-in-agent.ts");

describe("bundleAgent", () => {
  let outDir = "";
  beforeEach(async () => {
    outDir = await mkdtemp(join(tmpdir(), "guestd-bundle-"));
  });
  afterEach(() => rm(outDir, { recursive: true }));

  async function bundleText(text: string) {
    const entry = join(outDir, "entry.ts");
    await writeFile(entry, text);
    return bundleAgent({ entry, root: ROOT, outDir });
  }

  test("puts libraries loaded on demand into separate files, and reports what the bytes are made of", async () => {
    const files = await bundleAgent({ entry: STAND_IN, root: ROOT, outDir });
    expect((await readdir(outDir)).sort()).toEqual(["agent.cjs", "grpc.cjs", "tar.cjs", "yaml.cjs"]);
    const [agent, grpc, yaml] = files;
    expect(agent?.parts.map(({ name }) => name)).toContain("pino");
    expect(agent?.parts.map(({ name }) => name)).not.toContain("@grpc/grpc-js");
    expect(grpc?.parts[0]?.name).toBe("@grpc/grpc-js");
    expect(yaml?.parts).toEqual([{ name: "yaml", bytes: expect.any(Number) }]);
    for (const { name, bytes } of files) expect((await readFile(join(outDir, name))).length).toBe(bytes);
  });

  test("makes each file one function, ready for the launcher", async () => {
    await bundleAgent({ entry: STAND_IN, root: ROOT, outDir });
    for (const name of ["agent.cjs", "grpc.cjs", "tar.cjs", "yaml.cjs"]) {
      const text = await readFile(join(outDir, name), "latin1");
      expect(text).toMatch(/^\(function\(exports,require,module,__filename,__dirname\)\{[\s\S]*\}\)\n$/);
    }
  });

  test("loads no expensive part of Node with the libraries, and compiles no WebAssembly", async () => {
    await bundleAgent({ entry: STAND_IN, root: ROOT, outDir });
    const loaded: string[] = [];
    const requireFrom = (id: string) => {
      loaded.push(id);
      return process.getBuiltinModule(id);
    };
    const path = join(outDir, "agent.cjs");
    const runIn = runInThisContext(await readFile(path, "latin1"), { filename: path }) as (...parts: unknown[]) => void;
    const { WebAssembly } = globalThis as unknown as { WebAssembly: { Module(): void } };
    const compiled = vi.spyOn(WebAssembly, "Module");
    const listened = vi.spyOn(Server.prototype, "listen").mockReturnThis();
    try {
      runIn({}, requireFrom, { exports: {} }, path, outDir);
      expect(listened).toHaveBeenCalledOnce();
      expect(compiled).not.toHaveBeenCalled();
      expect(loaded).toContain("node:net");
      expect(loaded).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(node:)?(assert|worker_threads)$/)]));
    } finally {
      vi.restoreAllMocks();
    }
  });

  test("makes an agent whose start loads no expensive part of Node", async () => {
    await bundleAgent({ entry: join(ROOT, "agent/main.ts"), root: ROOT, outDir });
    const program = `
      require(${JSON.stringify(join(import.meta.dirname, "launcher.cjs"))}).load(${JSON.stringify(outDir)}, "agent");
      console.log(process.moduleLoadList.join("\\n"));`;
    const env = { GUESTD_VERSION_ONLY: "1" };
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { env });
    const loaded = stdout.split("\n");
    expect(loaded).toContain("NativeModule diagnostics_channel");
    const dear =
      /^NativeModule (crypto|child_process|stream|net|http2?|v8|internal\/(fs\/promises|perf\/performance|streams\/duplex))$/;
    expect(loaded.filter((name) => dear.test(name))).toEqual([]);
  });

  test("keeps the names of functions", async () => {
    await bundleText(`export function aFunctionWithALongName() { throw new Error("x"); }\naFunctionWithALongName();`);
    expect(await readFile(join(outDir, "agent.cjs"), "utf8")).toContain("function aFunctionWithALongName()");
  });

  test("reports a mistake in a source in one line", async () => {
    await expect(bundleText("const = 1;")).rejects.toThrow(/^bundle .*entry\.ts: [^\n]+$/);
  });
});
