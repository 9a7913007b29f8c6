import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { defaultOptions, readOptions } from "../../agent/main/options.ts";
import { agentService, guest, health } from "../../proto/gen/services.js";
import { promisesOf } from "./evidence.ts";
import { codeBlocks, page, pages, repository, section } from "./pages.ts";

/** Returns the contract's methods that a text names. */
function methodsIn(text: string): string[] {
  const known = new Set([...Object.keys(agentService), ...Object.keys(health)]);
  return (text.match(/\b[A-Z]\w+\b/g) ?? []).filter((word) => known.has(word)).sort();
}

const METHODS = [...Object.keys(agentService), ...Object.keys(health)].sort();

describe("what the pages say about the calls", () => {
  it("is true in docs/protocol.md", () => {
    const listed = section(page("docs/protocol.md"), "Calls").split("\n### ")[0] ?? "";
    expect(methodsIn(listed)).toEqual(METHODS);
  });

  it("is true in docs/features.md, README.md and CHANGELOG.md", () => {
    expect(methodsIn(section(page("docs/features.md"), "Calls"))).toEqual(METHODS);
    expect(page("README.md")).toContain(`all ${METHODS.length} calls over ttRPC and gRPC`);
    expect(page("CHANGELOG.md")).toContain(`all ${METHODS.length} calls of the Kata contract`);
  });
});

it("no page runs TypeScript with the Node in PATH, which may be too old", () => {
  const commands = [...pages].flatMap(
    ([path, text]) =>
      text.match(/(?<!npx )\bnode (?:-\S+ )*[\w./-]+\.ts\b|command -v node/g)?.map((it) => `${path}: ${it}`) ?? [],
  );
  expect(commands).toEqual([]);
});

it("docs/protocol.md lists every call of our own service", () => {
  const listed = Array.from(
    section(page("docs/protocol.md"), "guestd.v1.Guest").matchAll(/^\| (\w+)\(/gm),
    (m) => m[1],
  );
  expect(listed).toEqual(Object.keys(guest));
});

/**
 * Returns the names that tests use for an option: its own, its key in a file, or the memory agent's setting behind it.
 */
function spellings(option: string): string[] {
  const [, part, word = ""] = /^(?:agent\.)?(?:mem_agent_(memcg|compact)_)?(\w+)$/.exec(option) ?? [];
  if (part === undefined) return [option, `${word} =`];
  const setting = word.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  return [option, setting, `${part}${setting.slice(0, 1).toUpperCase()}${setting.slice(1)}`];
}

describe("the options of docs/options.md", () => {
  const rows = Array.from(page("docs/options.md").matchAll(/^\| `(agent\.\w+)` \| (?:`(.*?)`|\S+) \|/gm));
  const shown = [...promisesOf("docs/options.md")].filter(([name]) => /^`?(agent\.|KATA_AGENT_)/.test(name));
  const read = (commandLine: string) => readOptions({ commandLine, env: {}, readText: () => "" });

  it("are exactly those that the agent reads", () => {
    const source = readFileSync(join(repository, "agent/main/options.ts"), "utf8");
    const known = Array.from(source.matchAll(/^ {2}"(agent\.\w+)":/gm), (m) => m[1]);
    expect(rows.map(([, option]) => option).toSorted()).toEqual(known.toSorted());
  });

  it("have the documented defaults", () => {
    const withDefault = rows.filter(([, , value]) => value !== undefined);
    expect(withDefault.length).toBeGreaterThan(10);
    for (const [, option, value] of withDefault) {
      expect(read(`${option}=${value}`), option).toEqual({ options: defaultOptions, problems: [] });
    }
  });

  it("have effects that differ from the default's", () => {
    const values = ["on", "off", "true", "7", "debug", "unix://@x", "CreateSandbox", ""];
    for (const [, option = ""] of rows) {
      const changed = values.some((value) => {
        const { options } = read(value === "" ? option : `${option}=${value}`);
        return JSON.stringify(options) !== JSON.stringify(defaultOptions);
      });
      expect(changed, option).toBe(true);
    }
  });

  it("all have tests", () => {
    const named = shown.map(([name]) => name.replaceAll("`", ""));
    const variables = Array.from(page("docs/options.md").matchAll(/^\| (KATA_AGENT_\w+) \|/gm), (m) => m[1]);
    expect(named).toEqual([...rows.map(([, option]) => option), ...variables]);
  });

  it.each(shown)("have tests that name them: %s", (name, tests) => {
    const words = spellings(name.replaceAll("`", ""));
    const texts = tests.map((file) => readFileSync(join(repository, file), "utf8"));
    const found = words.some((word) => texts.some((text) => new RegExp(`${word}(?!\\w)`).test(text)));
    expect(found, `a test names ${words.join(" or ")}`).toBe(true);
  });

  it("from the environment are those on the page", () => {
    const variables = Array.from(page("docs/options.md").matchAll(/^\| (KATA_AGENT_\w+) \|/gm), (m) => m[1]);
    const source = readFileSync(join(repository, "agent/main/options.ts"), "utf8");
    expect(variables).toEqual(Array.from(source.matchAll(/^ {2}(KATA_AGENT_\w+):/gm), (m) => m[1]));
  });
});

it("the plan in docs/launch-plan.md is the one on file", () => {
  const [plan] = codeBlocks(page("docs/launch-plan.md"), "text");
  expect(plan).toBe(readFileSync(join(repository, "agent/container/plan/testdata/exec-ordinary.txt"), "utf8"));
});

describe("each page", () => {
  test.each([...pages])("has only links that lead somewhere: %s", (path, text) => {
    const targets = Array.from(text.matchAll(/\]\((?!https?:)([^)]+)\)/g), (match) => match[1] ?? "");
    for (const target of targets) {
      const [file = "", anchor] = target.split("#");
      const linked = file === "" ? path : join(dirname(path), file);
      expect(existsSync(join(repository, linked)), `${path} links to ${target}`).toBe(true);
      if (anchor === undefined) continue;
      const prose = (pages.get(linked) ?? "").replaceAll(/^```.*?^```$/gms, "");
      const titles = Array.from(prose.matchAll(/^#+ (.*)$/gm), (match) => match[1] ?? "");
      const anchors = titles.map((title) =>
        title
          .toLowerCase()
          .replace(/[^\w\- ]/g, "")
          .replaceAll(" ", "-"),
      );
      expect(anchors, `${path} links to ${target}`).toContain(anchor);
    }
  });

  test.each([...pages])("names only files and scripts that exist: %s", (path, text) => {
    const named = Array.from(text.matchAll(/`((?:agent|host|proto|image|rootfs-builder|test|docs|\.ci)\/[\w./-]*)`/g));
    for (const [, file = ""] of named) {
      if (file === "proto/gen" || file === "agent/service/gen") continue; // created by the build
      expect(existsSync(join(repository, file)), `${path} names ${file}`).toBe(true);
    }
    const { scripts } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
    for (const [, script = ""] of text.matchAll(/\bnpm run (?:-s )?(\w[\w:-]*)/g)) {
      expect(Object.keys(scripts), `${path} names npm run ${script}`).toContain(script);
    }
  });
});

it("README.md has at most 200 lines", () => {
  expect(page("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(200);
});

it("README.md's program is examples/first.ts, which the tests run", () => {
  const [program = ""] = codeBlocks(page("README.md"), "js");
  const example = readFileSync(join(repository, "examples/first.ts"), "utf8");
  const shown = example.replace(/^\/\/.*\n/, "").replace(/^import .* "\.\/where\.ts";\n/m, "");
  expect(program).toBe(shown.replace("...where", 'image: "alpine:3.20"'));
});

it("docs/numbers.md and docs/images.md show the same figures of bench:sharing", () => {
  const table = (path: string) => /^\| image as \|.*\n(?:\|.*\n)+/m.exec(page(path))?.[0];
  expect(table("docs/numbers.md")).toMatch(/^(?:\|.*\n){6}$/);
  expect(table("docs/numbers.md")).toBe(table("docs/images.md"));
});
