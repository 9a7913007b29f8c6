import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../vm/paths.ts";
import { dockerPage } from "../docker/docker-page.ts";
import { createProgram } from "../program.ts";
import { commandTexts } from "./command-text.ts";
import { manFile, manPage } from "./man-page.ts";
import { referencePage } from "./reference-page.ts";

const texts = commandTexts(await createProgram());
const docs = (name: string) => readFileSync(join(repositoryRoot, "docs", name), "utf8");

test("a manual page has the parts of the command's help", () => {
  const pull = texts.find(({ path }) => path[1] === "pull");
  const page = pull === undefined ? "" : manPage(pull, texts, "1.2.3");
  expect(page).toMatch(/^\.TH GUESTCTL\\-PULL 1 "" "guestctl 1\.2\.3" "guestd"\n/);
  expect(page).toContain("\n.SH NAME\nguestctl\\-pull \\- pull images from registries\n");
  expect(page).toContain("\n.SH SYNOPSIS\n.B guestctl pull [options] <names...>\n");
  expect(page).toMatch(/\n\.TP\n\.B \\-q, \\-\\-quiet\nprint only the full names\n/);
  expect(page).toMatch(/\n\.EX\nguestctl pull alpine:3\.20\n[\s\S]*\n\.EE\n/);
  expect(page).toContain("\n.SH SEE ALSO\n.BR guestctl (1)\n");
});

test("there is a page for each command and subcommand that the help shows, and none for hidden ones", () => {
  const files = texts.map(manFile);
  expect(files).toEqual(expect.arrayContaining(["guestctl.1", "guestctl-run.1", "guestctl-cores-get.1"]));
  expect(files.join(" ")).not.toContain("__complete");
  expect(new Set(files).size).toBe(files.length);
});

const hasGroff = spawnSync("groff", ["--version"]).status === 0;

test.skipIf(!hasGroff)(
  `groff formats every page without a warning${hasGroff ? "" : " (skipped: groff isn't installed)"}`,
  () => {
    const input = texts.map((text) => manPage(text, texts, "1.2.3")).join("");
    const { stdout, stderr, status } = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-rLL=200n", "-P-cbou"], {
      input,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    for (const { options } of texts) for (const { term } of options) expect(stdout).toContain(term.replace("…", "..."));
  },
);

test("docs/guestctl-reference.md is up to date: npm run docs:commands", () => {
  expect(docs("guestctl-reference.md")).toBe(referencePage(texts));
});

test("docs/docker.md is up to date: npm run docs:commands", () => {
  expect(docs("docker.md")).toBe(dockerPage());
});

test("docs/guestctl.md's table has every command and no other", () => {
  const [, table = ""] = /## Commands\n([\s\S]*?)\nOptions of/.exec(docs("guestctl.md")) ?? [];
  const cells = table.split("\n").map((row) => /^\| (.*?) \| /.exec(row)?.[1] ?? "");
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)/g)].map(([, name]) => name));
  const commands = texts.filter(({ path }) => path.length === 2).map(({ path }) => path[1]);
  expect([...new Set(named)].sort()).toEqual([...commands].sort());
});
