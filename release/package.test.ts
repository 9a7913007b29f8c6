import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import protobuf from "protobufjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandTexts } from "../host/cli/manual/command-text.ts";
import { manFile } from "../host/cli/manual/man-page.ts";
import { createProgram } from "../host/cli/program.ts";
import { packageRoot } from "../lib/package-root.ts";
import { readVersion } from "../rootfs-builder/read-version.ts";
import { isManualPage } from "./deb-manual.ts";
import { type BuiltPackage, guestdPackage } from "./guestd-package.ts";
import { npmTarball } from "./npm-tarball.ts";
import { inOrder } from "./package-file.ts";

const MIB = 1024 * 1024;
const root = packageRoot();
const bin = join(root, "node_modules/.bin");
let directory = "";
let version = "";
let built: BuiltPackage;
let tarball: Buffer = Buffer.alloc(0);
let project = "";

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "guestd-package-"));
  version = await readVersion(root);
  built = await guestdPackage(root, version);
  tarball = await npmTarball(built.files);
  writeFileSync(join(directory, "guestd.tgz"), tarball);
  project = install("project");
}, 120_000);
afterAll(() => rmSync(directory, { recursive: true }));

/** Creates a project with the package, without the optional guest and without the registry. */
function install(name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), '{ "name": "test", "type": "module" }');
  npm(path, "install", "--omit=optional", join(directory, "guestd.tgz"));
  return path;
}

function npm(cwd: string, ...args: string[]): void {
  const quiet = ["--offline", "--no-audit", "--no-fund", "--loglevel=error", `--cache=${join(directory, "npm")}`];
  execFileSync("npm", [...args, ...quiet], { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

/** Runs the installed guestctl with this Node. */
function guestctl(...args: string[]) {
  const env = {
    PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
    HOME: directory,
    GUESTD_CACHE: join(directory, "cache"),
  };
  const { status, stdout, stderr } = spawnSync(join(project, "node_modules/.bin/guestctl"), args, {
    env,
    cwd: project,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("the npm package guestd", () => {
  test("is the same when it is built twice", async () => {
    const second = await guestdPackage(root, version);
    expect(inOrder(second.files).map(({ path }) => path)).toEqual(inOrder(built.files).map(({ path }) => path));
    expect((await npmTarball(second.files)).equals(tarball)).toBe(true);
  });

  test("holds no path of this machine", () => {
    const having = built.files.filter(({ content }) => content.includes(root)).map(({ path }) => path);
    expect(having).toEqual([]);
  });

  test("defines in each module what its CommonJS packages take from Node", () => {
    const scripts = built.files.filter(({ path }) => path.endsWith(".js"));
    const lacking = (name: string) =>
      scripts.filter(({ content }) => {
        const text = content.toString();
        return new RegExp(`\\b${name}\\b`).test(text) && !new RegExp(`\\b${name} ?= ?\\w`).test(text);
      });
    for (const name of ["require", "__dirname"]) {
      expect([name, lacking(name).map(({ path }) => path)]).toEqual([name, []]);
    }
  });

  test("has the source map that each module names, and no other", () => {
    const scripts = built.files.filter(({ path }) => path.endsWith(".js"));
    const named = scripts.flatMap(({ path, content }) => {
      const [, map] = /\n\/\/# sourceMappingURL=(\S+)\n$/.exec(content.toString()) ?? [];
      return map === undefined ? [] : join(dirname(path), map);
    });
    const maps = built.files.map(({ path }) => path).filter((path) => path.endsWith(".map"));
    expect(named.sort()).toEqual(maps.sort());
  });

  test("has .proto files without comments, which declare the same", () => {
    const protos = built.files.filter(({ path }) => path.endsWith(".proto"));
    expect(protos).not.toEqual([]);
    for (const { path, content } of protos) {
      expect(content.toString()).not.toMatch(/^ *\/\//m);
      expect(protobuf.parse(content.toString()).root.toJSON()).toEqual(
        protobuf.parse(readFileSync(join(root, path), "utf8")).root.toJSON(),
      );
    }
  });

  test("takes at most 3 MiB once installed", () => {
    expect(built.files.reduce((sum, { content }) => sum + content.length, 0)).toBeLessThanOrEqual(3 * MIB);
  });

  test("has the manual page of each command, and names it in package.json", async () => {
    const paths = built.files.filter(isManualPage).map(({ path }) => path);
    const { man } = JSON.parse(readFileSync(join(project, "node_modules/guestd/package.json"), "utf8"));
    expect(man).toEqual(paths.map((path) => `./${path}`));
    expect(man).toEqual(commandTexts(await createProgram()).map((text) => `./man/${manFile(text)}.gz`));
    for (const path of paths) {
      const page = gunzipSync(readFileSync(join(project, "node_modules/guestd", path))).toString();
      expect(page).toMatch(new RegExp(`^\\.TH GUESTCTL\\S* 1 "" "guestctl ${version}"`));
    }
  });

  test("installs without dependencies, and its guestctl prints its version and lists containers", () => {
    expect(readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["guestd"]);
    expect(guestctl("--version")).toEqual({ status: 0, stdout: `guestctl ${version}\n`, stderr: "" });
    expect(guestctl("ps")).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/^GUEST +CONTAINER/) });
  });

  test("passes options of Node on: the Node that runs it loads no file for them", () => {
    const ran = join(directory, "ran");
    writeFileSync(join(project, "planted.cjs"), `require("node:fs").writeFileSync(${JSON.stringify(ran)}, "");\n`);
    writeFileSync(join(project, ".env"), `NODE_OPTIONS="--require ${join(project, "planted.cjs")}"\n`);
    const config = { nodeOptions: { import: [join(project, "planted.cjs")] } };
    writeFileSync(join(project, "node.config.json"), JSON.stringify(config));
    for (const option of ["--env-file=.env", "--experimental-config-file=node.config.json"]) {
      const line = ["exec", "--address", `unix://${join(directory, "none")}`, "web", "node", option];
      expect(guestctl(...line)).toMatchObject({ status: 125, stderr: expect.stringContaining("guestctl: ") });
      expect(existsSync(ran)).toBe(false);
    }
  });

  test("prints an uncaught error by its name and message, and no long line of the bundle", () => {
    const connect =
      'import { Sandbox } from "guestd"; await Sandbox.connect("unix:///nonexistent", { container: "web" });';
    writeFileSync(join(project, "uncaught.js"), connect);
    const { stderr } = spawnSync(process.execPath, ["uncaught.js"], { cwd: project, encoding: "utf8" });
    expect(stderr).toMatch(/^SandboxError: connect to sandbox unix:\/\/\/nonexistent: .*; check the address, /m);
    expect(stderr.split("\n").filter((line) => line.length > 400)).toEqual([]);
  });

  test("refuses to boot without the guest package, and names it", () => {
    expect(guestctl("boot")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`guestd-guest-linux-${process.arch} is not installed`),
    });
  });

  test("has a doctor that exits with 1 if something is missing, one line for each need", () => {
    const { status, stdout } = guestctl("doctor");
    expect(status).toBe(1);
    expect(stdout).toMatch(new RegExp(`^missing +guest +.*; install guestd-guest-linux-${process.arch}$`, "m"));
    expect(stdout).toMatch(/^missing +kernel +.*; run npx guestctl setup/m);
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => !/^(ok|better|missing) +\S+ +\S/.test(line))).toEqual([]);
    const json = guestctl("doctor", "--output", "json");
    const found: readonly { name: string; state: string; text: string }[] = JSON.parse(json.stdout);
    const words = (line: string) => line.split(/ +/).slice(0, 2);
    expect([json.status, found.map(({ state, name }) => [state, name])]).toEqual([1, lines.map(words)]);
    expect(found.map(({ text }) => text).find((text) => text.includes("run npx guestctl setup, or"))).toMatch(
      /^there is none /,
    );
  });

  test.each(["node16", "bundler"])("has types for moduleResolution %s", (resolution) => {
    writeFileSync(join(project, "use.ts"), USE);
    const options = {
      strict: true,
      noEmit: true,
      target: "es2024",
      lib: ["es2024", "esnext.disposable"],
      module: resolution === "node16" ? "node16" : "esnext",
      moduleResolution: resolution,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["use.ts"] }));
    const compiler = join(root, "node_modules/typescript-native/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "-p", project], { encoding: "utf8" });
    expect(stdout).toBe("");
  });

  test("is right for publint and arethetypeswrong", () => {
    const lint = spawnSync(join(bin, "publint"), [join(directory, "guestd.tgz"), "--strict"], { encoding: "utf8" });
    expect(lint.stdout + lint.stderr).toContain("All good!");
    const args = [join(directory, "guestd.tgz"), "--profile", "esm-only", "--no-color", "--no-emoji"];
    const types = spawnSync(join(bin, "attw"), args, { encoding: "utf8" });
    expect([types.status, types.stderr]).toEqual([0, ""]);
  });

  test("leaves nothing in the project after npm uninstall", () => {
    const path = install("another");
    spawnSync(join(path, "node_modules/.bin/guestctl"), ["--version"], { env: { PATH: dirname(process.execPath) } });
    npm(path, "uninstall", "guestd");
    const left = readdirSync(path, { recursive: true }).map(String).sort();
    expect(
      left.filter((name) => !/^(node_modules(\/\.bin|\/\.package-lock\.json)?|package(-lock)?\.json)$/.test(name)),
    ).toEqual([]);
  });
});

const USE = `import { type ExecResult, Sandbox, SandboxError } from "guestd";
import { mock } from "guestd/mock";
export async function hello(address: string): Promise<ExecResult> {
  await using sandbox = await Sandbox.connect(address, { container: "web" });
  for await (const { stream, text } of sandbox.exec(["ls"])) console.log(stream, text);
  return sandbox.exec("echo hello", { timeoutMs: 1000 });
}
export const isMissing = (error: unknown): boolean => error instanceof SandboxError && error.code === "not-found";
export const scripted = mock;
`;
