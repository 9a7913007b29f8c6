import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { LineCounter, type Node, parseDocument } from "yaml";
import { packageRoot } from "../../lib/package-root.ts";
import { BuildError, hasCode } from "../build-error.ts";
import { findMistake, type Schema } from "./check-document.ts";
import { contradiction, type RawRecipe, recipeOf } from "./raw-recipe.ts";
import type { Recipe } from "./recipe.ts";
import { whyNot } from "./source-error.ts";

/**
 * Reads a recipe in YAML or JSON and checks it against recipe.schema.json. Throws BuildError: "mine.yaml:7:
 * sources[1].mode: …", or "mine.json:7:3: …" for a syntax error.
 * @param checkOutput returns why an output can't be made, or undefined
 */
export async function readRecipe(
  path: string,
  checkOutput: (name: string, raw: RawRecipe) => string | undefined = () => undefined,
): Promise<Recipe> {
  const file = resolve(path);
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) throw new BuildError(`recipe ${path}: no such file`);
    throw new BuildError(`recipe ${path}: ${whyNot(error)}`);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const place = (offset: number | undefined) => `${path}:${offset === undefined ? 1 : lines.linePos(offset).line}`;
  const [broken] = document.errors;
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new BuildError(`${path}:${line}:${col}: ${broken.message.replaceAll("\n", " ")}`);
  }
  const mistake = findMistake(document.contents, await recipeSchema());
  if (mistake !== undefined) {
    const key = mistake.key === "" ? "" : `${mistake.key}: `;
    throw new BuildError(`${place(mistake.node?.range?.[0])}: ${key}${mistake.text}`);
  }
  const raw = document.toJS() as RawRecipe;
  const wrong = contradiction(raw);
  if (wrong !== undefined) {
    const [key, why] = wrong;
    const node = document.getIn(key, true) as Node | undefined;
    throw new BuildError(`${place(node?.range?.[0])}: ${key.join(".")}: ${why}`);
  }
  for (const [at, name] of (raw.outputs ?? []).entries()) {
    const why = checkOutput(name, raw);
    const node = document.getIn(["outputs", at], true) as Node | undefined;
    if (why !== undefined) throw new BuildError(`${place(node?.range?.[0])}: outputs[${at}]: ${why}`);
  }
  return recipeOf(file, raw);
}

async function recipeSchema(): Promise<Schema> {
  return JSON.parse(await readFile(join(packageRoot(), "rootfs-builder/recipe/recipe.schema.json"), "utf8")) as Schema;
}
