import { expect, it } from "vitest";
import { createProgram } from "../../host/cli/program.ts";
import { TOOLS } from "../../host/mcp/tool/tools.ts";
import { codeBlocks, page, section } from "./pages.ts";

const text = page("docs/mcp.md");

it("the page lists all tools", () => {
  const rows = Array.from(section(text, "Tools").matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name);
  expect(rows).toEqual(TOOLS.map(({ name }) => name));
});

it("the page lists all options", async () => {
  const options = (await createProgram()).commands.find((each) => each.name() === "mcp")?.options ?? [];
  const listed = Array.from(
    section(text, "What a client may do").matchAll(/`(--[\w-]+)[^`]*`(?=,| \|)/g),
    ([, name]) => name,
  );
  expect([...new Set(listed)].sort()).toEqual(options.map(({ long }) => long).sort());
});

it("the settings of three clients start guestctl with options that exist", async () => {
  const settings = codeBlocks(text, "json").map((block) => Object.values(JSON.parse(block))[0] as object);
  expect(settings).toHaveLength(3);
  for (const servers of settings) {
    const [server] = Object.values(servers) as { command: string; args: string[] }[];
    const [name = "", ...options] = server?.args ?? [];
    expect(server?.command).toMatch(/\/guestctl$/);
    const command = (await createProgram()).commands.find((each) => each.name() === name);
    const placed = options.map((word) => word.replace(/^\$\{workspaceFolder\}$/, import.meta.dirname));
    expect(command?.parseOptions(placed)).toEqual({ operands: [], unknown: [] });
  }
});
