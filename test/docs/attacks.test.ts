import { existsSync } from "node:fs";
import { join, normalize } from "node:path";
import { expect, it } from "vitest";
import { page, repository, section } from "./pages.ts";

const attacks = section(page("docs/threat-model.md"), "Attacks");
const rows = Array.from(
  attacks.matchAll(/^\| (?!attack \||-)(.+?) \| .* \| (.*) \|$/gm),
  ([, attack = "", tests = ""]) => ({
    attack,
    files: Array.from(tests.matchAll(/`([^`]+\.ts)`/g), ([, file = ""]) => file),
  }),
);

it("lists tried attacks", () => {
  expect(rows.length).toBeGreaterThan(30);
});

it.each(rows.map(({ attack, files }) => [attack, files] as const))("names existing tests for: %s", (_, files) => {
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(existsSync(join(repository, placeOf(file))), file).toBe(true);
});

/**
 * Returns the path of a file named on the page: below test/attack, unless the name begins with a folder of the
 * repository.
 */
function placeOf(file: string): string {
  return /^(agent|host|image|lib|proto|release|rootfs-builder)\//.test(file)
    ? file
    : normalize(join("test/attack", file));
}
