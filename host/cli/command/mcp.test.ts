import { expect, test } from "vitest";
import { temporaryDirectory } from "../../../image/testing/tree.ts";
import { runGuestctl } from "../testing/run-guestctl.ts";

const run = async (...line: string[]) => {
  using folder = temporaryDirectory();
  return await runGuestctl(folder.path, line, { NODE_OPTIONS: `--import data:text/javascript,${LOADED}` });
};

/** Prints the modules of MCP that the command has loaded. */
const LOADED = encodeURIComponent(`
  import { registerHooks } from "node:module";
  const loaded = new Set();
  registerHooks({
    load(url, context, next) {
      const [part] = /@modelcontextprotocol|node_modules\\/zod|host\\/mcp/.exec(url) ?? [];
      if (part !== undefined) loaded.add(part);
      return next(url, context);
    },
  });
  process.on("exit", () => console.error("loaded: " + [...loaded].sort().join(" ")));
`);

test.each([
  [[], /^guestctl: mcp: no image allowed; add --image NAME/],
  [["--image", "a:b", "--folder", "/nonexistent"], /^guestctl: option '--folder <path\[:rw\]>' .* is not a folder\./],
  [["--image", "a:b", "--no-limits"], /^guestctl: mcp: --no-limits needs --address\n/],
  [["--image", "a:b", "--memory", "1"], /^guestctl: option '--memory <size>' .* at least 128 MiB\./],
])("mcp refuses the options %j in one line, before it loads anything", async (line, message) => {
  const { code, stdout, stderr } = await run("mcp", ...line);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^[^\n]*\nloaded: \n$/);
});

test("only mcp loads what MCP needs", async () => {
  expect((await run("ps")).stderr).toBe("loaded: \n");
  const { code, stderr } = await run("mcp", "--image", "a:b"); // stdin is empty: the session ends
  expect({ code, stderr }).toEqual({ code: 0, stderr: "loaded: @modelcontextprotocol host/mcp node_modules/zod\n" });
});
