import { chownSync, cpSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { buildRelease } from "../nightly/testing/build-release.ts";
import { addUser, createDebianRoot, USER } from "../nightly/testing/debian-root.ts";
import { buildImage, packBase } from "./images/build-image.ts";
import { RECIPES } from "./images/recipes.ts";

/** Called with each part of the preparation that was done, and its seconds. */
export type Report = (name: string, seconds: number) => void;

/**
 * Prepares a new Debian 12 in `directory`/root: an ordinary user who has guestd's .deb and the images in ~/images. What
 * an earlier call made there is kept. Returns the root.
 */
export async function prepareMachine(directory: string, report: Report): Promise<string> {
  const root = join(directory, "root");
  const home = join(root, "home", USER);
  const part = async <T>(name: string, work: () => Promise<T> | T): Promise<T> => {
    const began = performance.now();
    const result = await work();
    report(name, (performance.now() - began) / 1000);
    return result;
  };
  if (!existsSync(home)) {
    mkdirSync(root);
    await part("debootstrap", () => createDebianRoot(root));
    await part("the layer that the images share", () => packBase(root, directory));
    await part("an ordinary user with sudo", () => addUser(root));
  }
  const images = join(home, "images");
  mkdirSync(images, { recursive: true });
  for (const recipe of RECIPES) {
    const file = join(images, `${recipe.name}.tar`);
    if (existsSync(file)) continue;
    await part(`image of ${recipe.packages.join(", ")}`, () => buildImage(recipe, directory, file));
    chownSync(file, 1000, 1000);
  }
  if (!existsSync(join(home, "guestd.deb"))) {
    await part("npm run release", () => buildPackage(join(directory, "release"), join(home, "guestd.deb")));
  }
  return root;
}

function buildPackage(directory: string, to: string): void {
  buildRelease(directory);
  const [deb = ""] = readdirSync(directory).filter((name) => name.endsWith(".deb"));
  cpSync(join(directory, deb), to);
}
