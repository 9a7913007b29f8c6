import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeWorkDirectory } from "../clean-up/work-directory.ts";
import { codeBlocks, page, pages, repository } from "../docs/pages.ts";
import { makeSampleImage, runLines, withOldNode } from "./testing/sample-lines.ts";

const run = promisify(execFile);

describe("the programs in the docs", () => {
  const programs = [...pages].flatMap(([path, text]) =>
    codeBlocks(text, "ts").map((code, index) => ({ name: `${path} ${index + 1}`, code })),
  );
  let directory = "";
  beforeAll(() => {
    directory = makeWorkDirectory("samples");
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("exist", () => expect(programs.length).toBeGreaterThan(0));

  it.each(programs)("have no type errors and run ($name)", async ({ name, code }) => {
    const file = join(directory, `${name.replaceAll(/\W+/g, "-")}.ts`);
    // Their reader runs them in the repository's folder.
    writeFileSync(file, code.replaceAll('from "./', `from "${repository}/`));
    const config = join(directory, "tsconfig.json");
    const extended = join(repository, "tsconfig.json");
    writeFileSync(config, JSON.stringify({ extends: extended, files: [file], include: [], exclude: [] }));
    const compiler = join(repository, "node_modules/typescript-native/bin/tsc");
    await run(process.execPath, [compiler, "--project", config]);
    const { stdout } = await run("npx", ["node", file], { cwd: repository, env: withOldNode(directory) });
    expect(stdout).toMatch(/^guestd \d+\.\d+\.\d+, \d{3,} lines of metrics\n$/);
  });
});

describe("the command lines in the docs", () => {
  let directory = "";
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "samples-"));
    await makeSampleImage();
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("of README.md print what it says", async () => {
    const [run, id, release, cp, stop] = [...(await runLines(directory, codeBlocks(page("README.md"), "sh"))).values()];
    expect([run, id, cp, stop]).toEqual(["hello\n", "web\n", "", "web\n"]);
    expect(release).toMatch(/^6\.\d+/);
  });
});
