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

it("lists the attacks that were tried", () => {
  expect(rows.length).toBeGreaterThan(30);
});

it.each(rows.map(({ attack, files }) => [attack, files] as const))("has a test for: %s", (_, files) => {
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(existsSync(join(repository, placeOf(file))), file).toBe(true);
});

/** Names are below test/attack unless they begin with a folder of the repository. */
function placeOf(file: string): string {
  return /^(agent|host|image|lib|proto|rootfs-builder)\//.test(file) ? file : normalize(join("test/attack", file));
}
